// An echo server on Boost.Beast: asynchronous, one thread, without compression unless --deflate is given.
//
// A connection to /push is a subscriber: what arrives on one of these goes to each of them.

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <unordered_set>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using Error = beast::error_code;

struct Outgoing {
    bool text;
    std::string bytes;
};

class Session;
static std::unordered_set<Session *> subscribers;
static bool deflates = false;

class Session : public std::enable_shared_from_this<Session> {
public:
    explicit Session(tcp::socket &&socket) : socket_(std::move(socket)) {}

    ~Session() { subscribers.erase(this); }

    void run() {
        http::async_read(socket_.next_layer(), buffer_, request_, [self = shared_from_this()](Error error, std::size_t) {
            if (!error) self->accept();
        });
    }

private:
    void accept() {
        socket_.read_message_max(16 << 20);
        socket_.auto_fragment(false);
        if (deflates) {
            websocket::permessage_deflate extension;
            extension.server_enable = true;
            socket_.set_option(extension);
        }
        socket_.async_accept(request_, [self = shared_from_this()](Error error) {
            if (error) return;
            self->buffer_.clear();
            self->pushes_ = self->request_.target() == "/push";
            if (self->pushes_) subscribers.insert(self.get());
            self->request_ = {};
            self->read();
        });
    }

    void read() {
        socket_.async_read(buffer_, [self = shared_from_this()](Error error, std::size_t) {
            if (error) {
                subscribers.erase(self.get());
                return;
            }
            if (self->pushes_) {
                self->push();
            } else {
                self->echo();
            }
        });
    }

    void echo() {
        socket_.text(socket_.got_text());
        socket_.async_write(buffer_.data(), [self = shared_from_this()](Error error, std::size_t) {
            if (error) return;
            self->buffer_.consume(self->buffer_.size());
            self->read();
        });
    }

    void push() {
        auto message = std::make_shared<const Outgoing>(
            Outgoing{socket_.got_text(), beast::buffers_to_string(buffer_.data())});
        buffer_.consume(buffer_.size());
        for (Session *subscriber : subscribers) subscriber->enqueue(message);
        read();
    }

    void enqueue(std::shared_ptr<const Outgoing> message) {
        queue_.push_back(std::move(message));
        if (queue_.size() == 1) write_next();
    }

    void write_next() {
        socket_.text(queue_.front()->text);
        socket_.async_write(
            asio::buffer(queue_.front()->bytes), [self = shared_from_this()](Error error, std::size_t) {
                if (error) return;
                self->queue_.pop_front();
                if (!self->queue_.empty()) self->write_next();
            });
    }

    websocket::stream<tcp::socket> socket_;
    beast::flat_buffer buffer_;
    http::request<http::empty_body> request_;
    std::deque<std::shared_ptr<const Outgoing>> queue_;
    bool pushes_ = false;
};

static void accept_next(tcp::acceptor &acceptor) {
    acceptor.async_accept([&acceptor](Error error, tcp::socket socket) {
        if (!error) {
            socket.set_option(tcp::no_delay(true));
            std::make_shared<Session>(std::move(socket))->run();
        }
        accept_next(acceptor);
    });
}

int main(int argc, char **argv) {
    int port = 0;
    for (int i = 1; i < argc; i++) {
        if (std::strcmp(argv[i], "--port") == 0 && i + 1 < argc) port = std::atoi(argv[i + 1]);
        if (std::strcmp(argv[i], "--deflate") == 0) deflates = true;
    }
    // One thread runs everything: no locks are needed.
    asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE};
    tcp::acceptor acceptor(context);
    acceptor.open(tcp::v4());
    acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.bind({asio::ip::address_v4::loopback(), static_cast<unsigned short>(port)});
    acceptor.listen(4096);
    std::printf("listening %d\n", acceptor.local_endpoint().port());
    std::fflush(stdout);
    accept_next(acceptor);
    context.run();
}
