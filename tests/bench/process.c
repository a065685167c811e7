/*
 * process RUNS MAX_MS MAX_MIB PROGRAM ARGUMENT...: what a whole process costs, output thrown away: median wall time and
 * peak memory against their bars.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_RUNS 1000

static double now_ms(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Wall time of one run; -1 if the program answers neither yes (0) nor no (1). */
static double run_once(char **command)
{
    const double start = now_ms();
    const pid_t child = fork();
    if (child == 0) {
        const int nowhere = open("/dev/null", O_WRONLY);
        (void)dup2(nowhere, STDOUT_FILENO);
        (void)execvp(command[0], command);
        _exit(127);
    }
    int status = 0;
    const int ended = child > 0 && waitpid(child, &status, 0) == child;
    const double end = now_ms();
    return ended && WIFEXITED(status) && WEXITSTATUS(status) <= 1 ? end - start : -1;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double ms[MAX_RUNS];
    const long n = argc > 4 ? strtol(argv[1], NULL, 10) : 0;
    if (n < 1 || n > MAX_RUNS) {
        fprintf(stderr, "usage: process RUNS MAX_MS MAX_MIB PROGRAM ARGUMENT...\n");
        return 2;
    }
    for (long i = 0; i < n; i++) {
        ms[i] = run_once(argv + 4);
        if (ms[i] < 0) {
            fprintf(stderr, "'%s' failed\n", argv[4]);
            return 1;
        }
    }
    qsort(ms, (size_t)n, sizeof ms[0], compare);
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_CHILDREN, &usage);
    const double mib = (double)usage.ru_maxrss / 1024;
    const double median = ms[n / 2];
    printf("median %.2f ms (fastest %.2f), peak %.1f MiB over %ld runs\n", median, ms[0], mib, n);
    return median > (double)strtol(argv[2], NULL, 10) || mib > (double)strtol(argv[3], NULL, 10);
}
