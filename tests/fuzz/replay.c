/*
 * Replays a fuzz target's corpus without libFuzzer, so that "make check" sees every input that
 * ever broke something: fuzz_x reads tests/fuzz/corpus/x, or the files and folders it is given.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (16u * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 1 when it was replayed, else 0; a folder's sub-folders are left alone. */
static unsigned replay_file(const char *path)
{
	FILE *f = fopen(path, "rbe");
	struct stat st;
	uint8_t *data;
	size_t n;

	if (f == NULL || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > INPUT_MAX) {
		if (f != NULL)
			(void)fclose(f); /* only read from */
		return 0;
	}
	/* exactly as large as the input, so that a sanitizer sees one byte too many */
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	n = data != NULL ? fread(data, 1, (size_t)st.st_size, f) : 0;
	(void)fclose(f); /* only read from */
	if (data != NULL)
		(void)LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 1;
}

static unsigned replay_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	unsigned n = 0;

	if (d == NULL)
		return replay_file(path);
	while ((e = readdir(d)) != NULL) {
		char file[4096];

		if (e->d_name[0] != '.' &&
		    snprintf(file, sizeof(file), "%s/%s", path, e->d_name) < (int)sizeof(file))
			n += replay_file(file);
	}
	(void)closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir"), *name = strrchr(argv[0], '/');
	char corpus[4096];
	unsigned n = 0;

	name = name != NULL ? name + 1 : argv[0];
	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	if (snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s",
	        srcdir != NULL ? srcdir : ".", name) >= (int)sizeof(corpus))
		return 1;
	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	if (argc < 2)
		n = replay_folder(corpus);
	for (int i = 1; i < argc; i++)
		n += replay_folder(argv[i]);
	(void)printf("%s: %u inputs replayed\n", name, n);
	return n > 0 ? 0 : 1;
}
