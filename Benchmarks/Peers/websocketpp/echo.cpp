// An echo server on websocketpp over Boost.Asio: one thread, no locks, with compression for those who offer it.
//
// A connection to /push is a subscriber: what arrives on one of these goes to each of them.

#include <boost/asio.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <websocketpp/concurrency/none.hpp>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/logger/stub.hpp>
#include <websocketpp/server.hpp>

struct Config : public websocketpp::config::asio {
    typedef Config type;
    typedef websocketpp::config::asio base;
    typedef websocketpp::concurrency::none concurrency_type;
    typedef base::request_type request_type;
    typedef base::response_type response_type;
    typedef base::message_type message_type;
    typedef base::con_msg_manager_type con_msg_manager_type;
    typedef base::endpoint_msg_manager_type endpoint_msg_manager_type;
    typedef websocketpp::log::stub alog_type;
    typedef websocketpp::log::stub elog_type;
    typedef base::rng_type rng_type;

    struct transport_config : public base::transport_config {
        typedef type::concurrency_type concurrency_type;
        typedef type::alog_type alog_type;
        typedef type::elog_type elog_type;
        typedef base::request_type request_type;
        typedef base::response_type response_type;
        typedef websocketpp::transport::asio::basic_socket::endpoint socket_type;
        static bool const enable_multithreading = false;
    };
    typedef websocketpp::transport::asio::endpoint<transport_config> transport_type;

    struct permessage_deflate_config {};
    typedef websocketpp::extensions::permessage_deflate::enabled<permessage_deflate_config> permessage_deflate_type;

    static size_t const max_message_size = 16 << 20;
};

typedef websocketpp::server<Config> Server;
typedef websocketpp::connection_hdl Handle;

int main(int argc, char **argv) {
    int port = 0;
    for (int i = 1; i + 1 < argc; i++) {
        if (std::strcmp(argv[i], "--port") == 0) port = std::atoi(argv[i + 1]);
    }
    Server server;
    std::set<Handle, std::owner_less<Handle>> subscribers;

    server.init_asio();
    server.set_reuse_addr(true);
    server.set_listen_backlog(4096);
    server.set_tcp_post_init_handler([&](Handle handle) {
        websocketpp::lib::error_code error;
        auto connection = server.get_con_from_hdl(handle, error);
        if (!error) connection->get_raw_socket().set_option(boost::asio::ip::tcp::no_delay(true));
    });
    server.set_open_handler([&](Handle handle) {
        if (server.get_con_from_hdl(handle)->get_resource() == "/push") subscribers.insert(handle);
    });
    server.set_close_handler([&](Handle handle) { subscribers.erase(handle); });
    server.set_message_handler([&](Handle handle, Server::message_ptr message) {
        websocketpp::lib::error_code error;
        if (subscribers.empty() || subscribers.count(handle) == 0) {
            server.send(handle, message->get_payload(), message->get_opcode(), error);
            return;
        }
        for (const Handle &subscriber : subscribers) {
            server.send(subscriber, message->get_payload(), message->get_opcode(), error);
        }
    });
    server.listen(boost::asio::ip::tcp::endpoint(
        boost::asio::ip::address_v4::loopback(), static_cast<unsigned short>(port)));
    websocketpp::lib::asio::error_code error;
    std::printf("listening %d\n", server.get_local_endpoint(error).port());
    std::fflush(stdout);
    server.start_accept();
    server.run();
}
