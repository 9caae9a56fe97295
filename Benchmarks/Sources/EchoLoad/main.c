// A WebSocket echo load: see options.c for what it does and how it measures.

#include <stdio.h>

#include "cputime.h"
#include "fail.h"
#include "load.h"
#include "options.h"

typedef struct {
    double messages;
    double seconds;
    double own_cpu;
    CPUTime server;
} Result;

// The measured window: the messages that came back in it, and the CPU time meanwhile.
static Result measure(const Options *options, Load *load) {
    load->completed = 0;
    load->latencies.recorded = 0;
    CPUTime start = {0}, end = {0};
    if (options->server_pid != 0) start = cpu_time_of(options->server_pid);
    double own_start = own_cpu_time();

    double seconds = run_load(load, options->duration);

    double own_cpu = own_cpu_time() - own_start;
    if (options->server_pid != 0) end = cpu_time_of(options->server_pid);
    if (load->completed == 0) fail("no message came back within %.1f seconds", seconds);
    return (Result){(double)load->completed, seconds, own_cpu, cpu_time_between(start, end)};
}

static void print_result(const Options *options, const Latencies *latencies, Result result) {
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
        printf("\"latency_p50_us\": %.1f, \"latency_p99_us\": %.1f}\n", latency_percentile(latencies, 50),
               latency_percentile(latencies, 99));
    } else {
        printf("\"latency_p50_us\": null, \"latency_p99_us\": null}\n");
    }
}

int main(int argc, char **argv) {
    Options options = parse_options(argc, argv);
    Load load = open_load(&options);
    run_load(&load, options.warmup);
    Result result = measure(&options, &load);
    drain_load(&load);
    sort_latencies(&load.latencies);
    print_result(&options, &load.latencies, result);
    return 0;
}
