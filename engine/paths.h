/* Made by make. */
#define MR_PKGLIBEXECDIR "/usr/local/libexec/millrace"
