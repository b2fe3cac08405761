/*
 * millrace-image: the picture on standard input as PNG on standard output; of several the first.
 * Run by the engine inside its sandbox; it opens nothing itself. Exit: 0 done, 1 the file is no
 * picture or damaged, 2 wrong use, 3 too large.
 */
#include <leptonica/allheaders.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_INPUT  (256u << 20)
#define MAX_PIXELS 40000000ll

static size_t read_all(l_uint8 *p, size_t max)
{
	size_t len = 0;
	ssize_t n;

	while (len < max && (n = read(STDIN_FILENO, p + len, max - len)) > 0)
		len += (size_t)n;
	return len;
}

/* What the header says, before anything is unpacked. */
static int check_size(const l_uint8 *p, size_t len)
{
	l_int32 width = 0, height = 0;

	if (pixReadHeaderMem(p, len, NULL, &width, &height, NULL, NULL, NULL) != 0 || width <= 0 ||
	    height <= 0)
		return 1;
	return (long long)width * height > MAX_PIXELS ? 3 : 0;
}

static int convert(const l_uint8 *p, size_t len)
{
	int r = check_size(p, len);
	PIX *pix;

	if (r != 0)
		return r;
	pix = pixReadMem(p, len);
	if (pix == NULL)
		return 1;
	r = pixWriteStreamPng(stdout, pix, 0) == 0 && fflush(stdout) == 0 ? 0 : 1;
	pixDestroy(&pix);
	return r;
}

int main(int argc, char **argv)
{
	l_uint8 *p;
	size_t len;
	int r;

	(void)argv;
	if (argc != 1) {
		(void)fputs("usage: millrace-image <picture >png\n", stderr);
		return 2;
	}
	setMsgSeverity(L_SEVERITY_NONE);
	l_pngSetReadStrip16To8(0);
	p = malloc(MAX_INPUT);
	if (p == NULL)
		return 3;
	len = read_all(p, MAX_INPUT);
	r = len == MAX_INPUT ? 3 : convert(p, len);
	free(p);
	return r;
}
