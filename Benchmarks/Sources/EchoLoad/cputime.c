#include "cputime.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"

static void read_ticks(int pid, CPUTime *time) {
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) fail("%s: %s", path, strerror(errno));
    size_t length = fread(line, 1, sizeof line - 1, file);
    line[length] = '\0';
    fclose(file);

    // The second field is the name in parentheses and may contain anything, so count from where it ends.
    const char *rest = strrchr(line, ')');
    unsigned long user, system;
    if (rest == NULL || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) {
        fail("%s is not as expected", path);
    }
    double per_second = (double)sysconf(_SC_CLK_TCK);
    time->user = (double)user / per_second;
    time->system = (double)system / per_second;
}

// Every thread of the process counts, the kernel's own workers for its io_uring included.
static double seconds_on_cpu(int pid) {
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) return 0;
    double seconds = 0;
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (file == NULL) continue;
        unsigned long long nanoseconds;
        if (fscanf(file, "%llu", &nanoseconds) == 1) seconds += (double)nanoseconds * 1e-9;
        fclose(file);
    }
    closedir(tasks);
    return seconds;
}

CPUTime cpu_time_of(int pid) {
    CPUTime time = {.total = seconds_on_cpu(pid)};
    read_ticks(pid, &time);
    return time;
}

CPUTime cpu_time_between(CPUTime start, CPUTime end) {
    double user = end.user - start.user;
    double system = end.system - start.system;
    double total = end.total - start.total;
    // A thread that ended takes its schedstat with it, but not its ticks; some kernels have no schedstat at all.
    if (total < user + system - 0.05) total = user + system;
    double user_share = user + system > 0 ? user / (user + system) : 0;
    return (CPUTime){.total = total, .user = total * user_share, .system = total * (1 - user_share)};
}

double own_cpu_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

long long anonymous_memory_of(int pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) fail("%s: %s", path, strerror(errno));
    long long kibibytes = -1;
    while (kibibytes < 0 && fgets(line, sizeof line, file) != NULL) sscanf(line, "RssAnon: %lld kB", &kibibytes);
    fclose(file);
    if (kibibytes < 0) fail("%s does not tell RssAnon", path);
    return kibibytes * 1024;
}
