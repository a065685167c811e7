/* Runs a fuzz target over the files of folders, without libFuzzer: a crash found once stays mended. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_PATH 4096
#define MAX_INPUT (16U << 20)

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(MAX_INPUT);
    int failed = file == NULL || data == NULL;
    if (!failed) {
        const size_t size = fread(data, 1, MAX_INPUT, file);
        failed = ferror(file) != 0;
        /* A copy of the exact size, so that AddressSanitizer sees a read behind the end. */
        uint8_t *exact = failed ? NULL : malloc(size == 0 ? 1 : size);
        if (exact != NULL) {
            memcpy(exact, data, size);
            (void)LLVMFuzzerTestOneInput(exact, size);
        }
        free(exact);
    }
    if (failed) {
        fprintf(stderr, "%s: cannot be read\n", path);
    }
    free(data);
    if (file != NULL) {
        (void)fclose(file);
    }
    return failed;
}

static int replay_folder(const char *folder, size_t *n_files)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "%s: no such folder\n", folder);
        return 1;
    }
    int failed = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[MAX_PATH];
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            failed |= replay(path);
            (*n_files)++;
        }
    }
    (void)closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    size_t n_files = 0;
    int failed = argc < 2;
    for (int i = 1; i < argc; i++) {
        failed |= replay_folder(argv[i], &n_files);
    }
    printf("%zu inputs\n", n_files);
    return failed || n_files == 0;
}
