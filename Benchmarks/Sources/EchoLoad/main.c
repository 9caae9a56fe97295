// A load on WebSocket servers: see options.c for what it does and how it measures.

#include <stdio.h>
#include <sys/resource.h>

#include "connect.h"
#include "cputime.h"
#include "fail.h"
#include "idle.h"
#include "load.h"
#include "options.h"

// The measured window: the messages that were completed in it, and the CPU time meanwhile.
typedef struct {
    double messages;
    double seconds;
    double own_cpu;
    CPUTime server;
} Result;

typedef struct {
    CPUTime server;
    double own;
} Clocks;

static Clocks read_clocks(const Options *options) {
    Clocks clocks = {0};
    if (options->server_pid != 0) clocks.server = cpu_time_of(options->server_pid);
    clocks.own = own_cpu_time();
    return clocks;
}

static Result result_since(Clocks start, const Options *options, double messages, double seconds) {
    double own_cpu = own_cpu_time() - start.own;
    CPUTime end = {0};
    if (options->server_pid != 0) end = cpu_time_of(options->server_pid);
    if (messages == 0) fail("nothing came back within %.1f seconds", seconds);
    return (Result){messages, seconds, own_cpu, cpu_time_between(start.server, end)};
}

static void print_result(const Options *options, Latencies *latencies, Result result) {
    printf("{\"raw\": %s, \"text\": %s, ", options->raw ? "true" : "false", options->text ? "true" : "false");
    printf("\"connections\": %d, \"in_flight\": %d, \"size\": %zu, ", options->connections, options->in_flight,
           options->size);
    printf("\"messages\": %.0f, \"seconds\": %.3f, \"messages_per_second\": %.1f, ", result.messages, result.seconds,
           result.messages / result.seconds);
    if (options->server_pid != 0) {
        printf("\"server_user_us\": %.4f, \"server_system_us\": %.4f, \"server_cpu_share\": %.4f, ",
               result.server.user / result.messages * 1e6, result.server.system / result.messages * 1e6,
               result.server.total / result.seconds);
    } else {
        printf("\"server_user_us\": null, \"server_system_us\": null, \"server_cpu_share\": null, ");
    }
    printf("\"generator_cpu_share\": %.4f, ", result.own_cpu / result.seconds);
    if (latencies->recorded > 0) {
        sort_latencies(latencies);
        printf("\"latency_p50_us\": %.1f, \"latency_p99_us\": %.1f}\n", latency_percentile(latencies, 50),
               latency_percentile(latencies, 99));
    } else {
        printf("\"latency_p50_us\": null, \"latency_p99_us\": null}\n");
    }
}

static void measure_messages(const Options *options) {
    Load load = open_load(options);
    run_load(&load, options->warmup);
    load.completed = 0;
    load.latencies.recorded = 0;
    Clocks start = read_clocks(options);
    double seconds = run_load(&load, options->duration);
    Result result = result_since(start, options, (double)load.completed, seconds);
    drain_load(&load);
    print_result(options, &load.latencies, result);
}

static void measure_connecting(const Options *options) {
    Connecting connecting = open_connecting(options);
    run_connecting(&connecting, options->warmup);
    connecting.completed = 0;
    connecting.latencies.recorded = 0;
    Clocks start = read_clocks(options);
    double seconds = run_connecting(&connecting, options->duration);
    print_result(options, &connecting.latencies,
                 result_since(start, options, (double)connecting.completed, seconds));
}

static void measure_idle(const Options *options) {
    Idle idle = open_idle(options);
    Clocks start = read_clocks(options);
    wait_idle(&idle, options->duration);
    Result result = result_since(start, options, options->connections, options->duration);
    printf("{\"raw\": %s, \"connections\": %d, \"seconds\": %.3f, ", options->raw ? "true" : "false",
           options->connections, result.seconds);
    printf("\"memory_before\": %lld, \"memory_after\": %lld, ", idle.memory_before, idle.memory_after);
    printf("\"bytes_per_connection\": %.1f, ",
           (double)(idle.memory_after - idle.memory_before) / options->connections);
    printf("\"server_cpu_share\": %.4f}\n", result.server.total / result.seconds);
}

// As many connections as the system lets us have.
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    Options options = parse_options(argc, argv);
    raise_descriptor_limit();
    switch (options.mode) {
        case ECHO: case PUSH: measure_messages(&options); break;
        case CONNECT: measure_connecting(&options); break;
        case IDLE: measure_idle(&options); break;
    }
    return 0;
}
