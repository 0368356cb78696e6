/* Runs a fuzz target over the files of its corpus, so that every compiler and sanitizer replays
 * what fuzzing once found interesting. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;

    if (f == NULL || fstat(fileno(f), &st) != 0) {
        perror(path);
        return -1;
    }
    const size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size + 1);
    const size_t n = data != NULL ? fread(data, 1, size, f) : 0;
    fclose(f);
    const int rc = n == size ? LLVMFuzzerTestOneInput(data, n) : -1;
    free(data);
    return rc;
}

int main(int argc, char **argv)
{
    DIR *d = argc > 1 ? opendir(argv[1]) : NULL;
    char path[4096];
    int n = 0;

    if (LLVMFuzzerTestOneInput((const uint8_t *)"", 0) != 0)
        return 1;
    for (struct dirent *f; d != NULL && (f = readdir(d)) != NULL;) {
        if (f->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], f->d_name);
        if (run_file(path) != 0) {
            fprintf(stderr, "%s failed\n", path);
            return 1;
        }
        n++;
    }
    if (d != NULL)
        closedir(d);
    printf("%d inputs replayed\n", n);
    return 0;
}
