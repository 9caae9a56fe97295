#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "USAGE: EchoLoad --port PORT [options]\n"
    "\n"
    "Puts load on a WebSocket server and prints one line of JSON.\n"
    "\n"
    "  --mode echo        (default) keeps messages in flight on each connection to an echo server and counts those that\n"
    "                     come back. The first echo on each connection is compared with what was sent.\n"
    "  --mode push        all connections receive what the server sends on to each of them; the first of them also\n"
    "                     sends, a message whenever everybody has the one before. Messages are deliveries, and a\n"
    "                     latency is the time from sending to the last delivery.\n"
    "  --mode connect     connects, shakes hands, closes with the closing handshake, and connects anew, on so many\n"
    "                     connections at a time. Messages are connections, and a latency is the time from connecting\n"
    "                     to the answer of the opening handshake.\n"
    "  --mode idle        opens the connections and leaves them alone: what the server's memory (RssAnon) grew by\n"
    "                     when as much time as --warmup has passed, and the CPU time it takes meanwhile.\n"
    "\n"
    "  --host ADDRESS     IPv4 address (default: 127.0.0.1)\n"
    "  --port PORT\n"
    "  --path PATH        (default: /)\n"
    "  --connections N    (default: 100)\n"
    "  --in-flight K      messages in flight on each connection; with push, on the first (default: 1)\n"
    "  --size BYTES       payload of a message (default: 64)\n"
    "  --text             send text instead of binary messages\n"
    "  --deflate          offer permessage-deflate without context takeover, which the server has to agree to, and\n"
    "                     send JSON, compressed once; what comes back may be compressed in another way\n"
    "  --raw              the server sends back the very bytes it gets: count bytes, expect no frames\n"
    "  --verify           compare every echo with what was sent, at some cost\n"
    "  --warmup SECONDS   load before the measured window (default: 1)\n"
    "  --duration SECONDS length of the measured window (default: 3)\n"
    "  --server-pid PID   measure the CPU time of that process\n"
    "\n"
    "CPU time: nanoseconds on a CPU from /proc/PID/task/*/schedstat, divided between user and system as the\n"
    "utime and stime of /proc/PID/stat are. The kernel samples these two at its tick, so windows should be of\n"
    "2 seconds or more. Latencies of echoes are sampled, and null with more than one message in flight.\n";

static _Noreturn void refuse(const char *option, const char *value) {
    fprintf(stderr, "EchoLoad: --%s does not take '%s'\n", option, value);
    exit(64);
}

static long integer(const char *option, const char *value, long least, long most) {
    char *end;
    long number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || number < least || number > most) refuse(option, value);
    return number;
}

static double seconds(const char *option, const char *value) {
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || !(number >= 0 && number <= 86400)) refuse(option, value);
    return number;
}

static Mode mode_named(const char *name) {
    static const char *const names[] = {[ECHO] = "echo", [PUSH] = "push", [CONNECT] = "connect", [IDLE] = "idle"};
    for (Mode mode = ECHO; mode <= IDLE; mode++) {
        if (strcmp(name, names[mode]) == 0) return mode;
    }
    refuse("mode", name);
}

Options parse_options(int argc, char **argv) {
    enum { MODE, HOST, PORT, PATH, CONNECTIONS, IN_FLIGHT, SIZE, TEXT, DEFLATE, RAW, VERIFY, WARMUP, DURATION, SERVER_PID,
           HELP };
    static const struct option known[] = {
        {"mode", required_argument, NULL, MODE},
        {"host", required_argument, NULL, HOST},
        {"port", required_argument, NULL, PORT},
        {"path", required_argument, NULL, PATH},
        {"connections", required_argument, NULL, CONNECTIONS},
        {"in-flight", required_argument, NULL, IN_FLIGHT},
        {"size", required_argument, NULL, SIZE},
        {"text", no_argument, NULL, TEXT},
        {"deflate", no_argument, NULL, DEFLATE},
        {"raw", no_argument, NULL, RAW},
        {"verify", no_argument, NULL, VERIFY},
        {"warmup", required_argument, NULL, WARMUP},
        {"duration", required_argument, NULL, DURATION},
        {"server-pid", required_argument, NULL, SERVER_PID},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };

    Options options = {
        .host = "127.0.0.1",
        .path = "/",
        .connections = 100,
        .in_flight = 1,
        .size = 64,
        .warmup = 1,
        .duration = 3,
    };
    int index;
    for (int option; (option = getopt_long(argc, argv, "", known, &index)) != -1;) {
        switch (option) {
            case MODE: options.mode = mode_named(optarg); break;
            case HOST: options.host = optarg; break;
            case PORT: options.port = (int)integer("port", optarg, 1, 65535); break;
            case PATH: options.path = optarg; break;
            case CONNECTIONS: options.connections = (int)integer("connections", optarg, 1, 1000000); break;
            case IN_FLIGHT: options.in_flight = (int)integer("in-flight", optarg, 1, 1000000); break;
            case SIZE: options.size = (size_t)integer("size", optarg, 0, 1L << 30); break;
            case TEXT: options.text = true; break;
            case DEFLATE: options.deflate = options.text = true; break;
            case RAW: options.raw = true; break;
            case VERIFY: options.verify = true; break;
            case WARMUP: options.warmup = seconds("warmup", optarg); break;
            case DURATION: options.duration = seconds("duration", optarg); break;
            case SERVER_PID: options.server_pid = (int)integer("server-pid", optarg, 1, 1L << 30); break;
            case HELP: fputs(help, stdout); exit(0);
            default: fputs(help, stderr); exit(64);
        }
    }
    // Memory is all that idle connections are for.
    if (options.mode == IDLE && options.server_pid == 0) refuse("mode", "idle without --server-pid");
    if (options.deflate && options.raw) refuse("raw", "--deflate");
    if (optind != argc || options.port == 0) {
        fputs(help, stderr);
        exit(64);
    }
    return options;
}
