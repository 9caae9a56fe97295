#pragma once

// CPU time a process used since it began, in seconds.
typedef struct {
    double total;  // exact
    double user;   // these two as sampled at the kernel's tick: good for their ratio only
    double system;
} CPUTime;

CPUTime cpu_time_of(int pid);
CPUTime cpu_time_between(CPUTime start, CPUTime end);
double own_cpu_time(void);

// A process's memory that no file backs, in bytes: RssAnon of /proc/PID/status.
long long anonymous_memory_of(int pid);
