/* Feeds every file of the named folders to the fuzz target: the corpus as a plain test, with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
enum { BIGGEST = 4 * 1024 * 1024 };

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return -1;
	uint8_t *data = malloc(BIGGEST);
	size_t n = data ? fread(data, 1, BIGGEST, f) : 0;
	fclose(f);
	/* a block of the exact size, so that a sanitizer sees a read past the end */
	uint8_t *exact = data ? malloc(n ? n : 1) : NULL;
	for (size_t i = 0; exact && i < n; i++)
		exact[i] = data[i];
	free(data);
	if (!exact)
		return -1;
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	int ran = 0;
	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		if (!d) {
			perror(argv[i]);
			return 1;
		}
		for (struct dirent *e; (e = readdir(d));) {
			if (e->d_name[0] == '.')
				continue;
			char path[4096];
			snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
			if (run_file(path)) {
				perror(path);
				return 1;
			}
			ran++;
		}
		closedir(d);
	}
	printf("%d inputs\n", ran);
	return ran ? 0 : 1;
}
