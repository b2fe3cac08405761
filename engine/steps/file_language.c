/* Names of languages to Tesseract's: ISO 639-1 codes, English names, or Tesseract's own. */
#include <string.h>

#include "engine/steps/file_process_private.h"

static const struct {
	const char *code, *name, *tesseract;
} languages[] = {
	{ "af", "afrikaans", "afr" },
	{ "ar", "arabic", "ara" },
	{ "be", "belarusian", "bel" },
	{ "bg", "bulgarian", "bul" },
	{ "bn", "bengali", "ben" },
	{ "ca", "catalan", "cat" },
	{ "cs", "czech", "ces" },
	{ "cy", "welsh", "cym" },
	{ "da", "danish", "dan" },
	{ "de", "german", "deu" },
	{ "el", "greek", "ell" },
	{ "en", "english", "eng" },
	{ "eo", "esperanto", "epo" },
	{ "es", "spanish", "spa" },
	{ "et", "estonian", "est" },
	{ "eu", "basque", "eus" },
	{ "fa", "persian", "fas" },
	{ "fi", "finnish", "fin" },
	{ "fr", "french", "fra" },
	{ "ga", "irish", "gle" },
	{ "gl", "galician", "glg" },
	{ "he", "hebrew", "heb" },
	{ "hi", "hindi", "hin" },
	{ "hr", "croatian", "hrv" },
	{ "hu", "hungarian", "hun" },
	{ "hy", "armenian", "hye" },
	{ "id", "indonesian", "ind" },
	{ "is", "icelandic", "isl" },
	{ "it", "italian", "ita" },
	{ "ja", "japanese", "jpn" },
	{ "ka", "georgian", "kat" },
	{ "kk", "kazakh", "kaz" },
	{ "ko", "korean", "kor" },
	{ "la", "latin", "lat" },
	{ "lt", "lithuanian", "lit" },
	{ "lv", "latvian", "lav" },
	{ "mk", "macedonian", "mkd" },
	{ "ms", "malay", "msa" },
	{ "nb", "norwegian", "nor" },
	{ "nl", "dutch", "nld" },
	{ "no", "norwegian", "nor" },
	{ "pl", "polish", "pol" },
	{ "pt", "portuguese", "por" },
	{ "ro", "romanian", "ron" },
	{ "ru", "russian", "rus" },
	{ "sk", "slovak", "slk" },
	{ "sl", "slovenian", "slv" },
	{ "sq", "albanian", "sqi" },
	{ "sr", "serbian", "srp" },
	{ "sv", "swedish", "swe" },
	{ "sw", "swahili", "swa" },
	{ "ta", "tamil", "tam" },
	{ "te", "telugu", "tel" },
	{ "th", "thai", "tha" },
	{ "tr", "turkish", "tur" },
	{ "uk", "ukrainian", "ukr" },
	{ "ur", "urdu", "urd" },
	{ "uz", "uzbek", "uzb" },
	{ "vi", "vietnamese", "vie" },
	{ "zh", "chinese", "chi_sim" },
};

/* en-GB and en_US are en */
static struct mr_str without_region(struct mr_str s)
{
	if (s.len == 5 && (s.p[2] == '-' || s.p[2] == '_'))
		s.len = 2;
	return s;
}

/* Tesseract's own: deu, chi_sim, deu_frak */
static bool is_own_name(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(i > 0 && s.p[i] == '_'))
			return false;
	}
	return s.len >= 3 && s.len <= 16;
}

static bool add(struct mr_str s, char *ret)
{
	size_t used = strlen(ret);
	char own[20];
	const char *name = NULL;

	s = without_region(mr_str_trim(s));
	for (size_t i = 0; i < MR_ARRAY_LEN(languages) && name == NULL; i++) {
		if (mr_str_ieqz(s, languages[i].code) || mr_str_ieqz(s, languages[i].name))
			name = languages[i].tesseract;
	}
	if (name == NULL && is_own_name(s)) {
		(void)snprintf(own, sizeof(own), "%.*s", MR_STR_ARG(s));
		name = own;
	}
	if (name == NULL)
		return false;
	return snprintf(ret + used, MR_FILE_LANGUAGES - used, "%s%s", used > 0 ? "+" : "", name) <
	       (int)(MR_FILE_LANGUAGES - used);
}

bool mr_file_languages(struct mr_str list, char *ret)
{
	size_t from = 0;

	ret[0] = '\0';
	for (size_t i = 0; i <= list.len; i++) {
		if (i < list.len && list.p[i] != '+' && list.p[i] != ',')
			continue;
		if (!add((struct mr_str){ list.p + from, i - from }, ret))
			return false;
		from = i + 1;
	}
	return true;
}
