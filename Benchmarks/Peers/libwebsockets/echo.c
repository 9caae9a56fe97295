// An echo server on libwebsockets, on its own event loop, without compression unless --deflate is given.
//
// A connection to /push is a subscriber: what arrives on one of these goes to each of them. Every message is written in a
// callback of its own, as the library asks for.

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAXIMUM = 16 << 20 };

// A message with the room before it that the library puts the frame's head into.
typedef struct {
    size_t length;
    int references;
    bool text;
    unsigned char bytes[];
} Message;

typedef struct Entry {
    struct Entry *next;
    Message *message;
} Entry;

typedef struct Session {
    struct lws *socket;
    struct Session *previous, *next;  // among the subscribers
    bool subscribes;
    Message *partial;  // what has come of a message
    size_t capacity;
    Entry *first, *last;  // to be sent
} Session;

static Session *subscribers;

static void release(Message *message) {
    if (message != NULL && --message->references == 0) free(message);
}

static int enqueue(Session *session, Message *message) {
    Entry *entry = malloc(sizeof *entry);
    if (entry == NULL) return -1;
    *entry = (Entry){.message = message};
    message->references++;
    if (session->last != NULL) {
        session->last->next = entry;
    } else {
        session->first = entry;
    }
    session->last = entry;
    lws_callback_on_writable(session->socket);
    return 0;
}

static int append(Session *session, const void *bytes, size_t count) {
    size_t length = session->partial != NULL ? session->partial->length : 0;
    if (length + count > MAXIMUM) return -1;
    if (session->partial == NULL || length + count > session->capacity) {
        size_t capacity = length + count + lws_remaining_packet_payload(session->socket);
        if (capacity < 2 * length) capacity = 2 * length;
        Message *grown = realloc(session->partial, sizeof(Message) + LWS_PRE + capacity);
        if (grown == NULL) return -1;
        session->partial = grown;
        session->capacity = capacity;
    }
    memcpy(session->partial->bytes + LWS_PRE + length, bytes, count);
    session->partial->length = length + count;
    return 0;
}

static int receive(Session *session, const void *bytes, size_t count) {
    if (append(session, bytes, count) != 0) return -1;
    if (!lws_is_final_fragment(session->socket)) return 0;
    Message *message = session->partial;
    session->partial = NULL;
    message->references = 1;
    message->text = !lws_frame_is_binary(session->socket);
    int result = 0;
    if (session->subscribes) {
        for (Session *subscriber = subscribers; subscriber != NULL && result == 0; subscriber = subscriber->next) {
            result = enqueue(subscriber, message);
        }
    } else {
        result = enqueue(session, message);
    }
    release(message);
    return result;
}

static int write_next(Session *session) {
    Entry *entry = session->first;
    if (entry == NULL) return 0;
    session->first = entry->next;
    if (session->first == NULL) session->last = NULL;
    Message *message = entry->message;
    int written = lws_write(
        session->socket, message->bytes + LWS_PRE, message->length, message->text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY);
    bool failed = written < (int)message->length;
    release(message);
    free(entry);
    if (session->first != NULL) lws_callback_on_writable(session->socket);
    return failed ? -1 : 0;
}

static void open_session(Session *session, struct lws *socket) {
    *session = (Session){.socket = socket};
    char path[64];
    if (lws_hdr_copy(socket, path, sizeof path, WSI_TOKEN_GET_URI) > 0 && strcmp(path, "/push") == 0) {
        session->subscribes = true;
        session->next = subscribers;
        if (subscribers != NULL) subscribers->previous = session;
        subscribers = session;
    }
}

static void end_session(Session *session) {
    if (session->subscribes) {
        if (session->next != NULL) session->next->previous = session->previous;
        if (session->previous != NULL) {
            session->previous->next = session->next;
        } else {
            subscribers = session->next;
        }
    }
    for (Entry *entry = session->first; entry != NULL;) {
        Entry *next = entry->next;
        release(entry->message);
        free(entry);
        entry = next;
    }
    free(session->partial);
}

static int handle(struct lws *socket, enum lws_callback_reasons reason, void *user, void *bytes, size_t count) {
    Session *session = user;
    switch (reason) {
        case LWS_CALLBACK_ESTABLISHED: open_session(session, socket); return 0;
        case LWS_CALLBACK_RECEIVE: return receive(session, bytes, count);
        case LWS_CALLBACK_SERVER_WRITEABLE: return write_next(session);
        case LWS_CALLBACK_CLOSED: end_session(session); return 0;
        default: return 0;
    }
}

int main(int argc, char **argv) {
    int port = 0;
    bool deflates = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) port = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--deflate") == 0) deflates = true;
    }
    lws_set_log_level(LLL_ERR, NULL);
    // Read in pieces as large as other servers do.
    static const struct lws_protocols protocols[] = {
        {"echo", handle, sizeof(Session), 64 << 10, 0, NULL, 0}, {NULL, NULL, 0, 0, 0, NULL, 0}};
    static const struct lws_extension extensions[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"}, {NULL, NULL, NULL}};
    struct lws_context_creation_info info = {
        .port = port,
        .iface = "127.0.0.1",
        .protocols = protocols,
        .extensions = deflates ? extensions : NULL,
        .pt_serv_buf_size = 64 << 10,
        .options = LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
    };
    struct lws_context *context = lws_create_context(&info);
    if (context == NULL) return 1;
    struct lws_vhost *host = lws_create_vhost(context, &info);
    if (host == NULL) return 1;
    printf("listening %d\n", lws_get_vhost_listen_port(host));
    fflush(stdout);
    while (lws_service(context, 0) >= 0) continue;
}
