// An echo server on Go's gorilla/websocket, without compression unless --deflate is given; Go sets TCP_NODELAY itself.
//
// A connection to /push is a subscriber: what arrives on one of these goes to each of them.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime"
	"sync"

	"github.com/gorilla/websocket"
)

const maximum = 16 << 20

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func echo(writer http.ResponseWriter, request *http.Request) {
	connection, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	connection.SetReadLimit(maximum)
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil {
			return
		}
		if err := connection.WriteMessage(kind, message); err != nil {
			return
		}
	}
}

var subscribers = struct {
	sync.Mutex
	connections map[*websocket.Conn]bool
}{connections: map[*websocket.Conn]bool{}}

func push(writer http.ResponseWriter, request *http.Request) {
	connection, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	connection.SetReadLimit(maximum)
	subscribers.Lock()
	subscribers.connections[connection] = true
	subscribers.Unlock()
	defer func() {
		subscribers.Lock()
		delete(subscribers.connections, connection)
		subscribers.Unlock()
		connection.Close()
	}()
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil {
			return
		}
		prepared, err := websocket.NewPreparedMessage(kind, message)
		if err != nil {
			return
		}
		// The lock also keeps to the rule of one writer at a time.
		subscribers.Lock()
		for subscriber := range subscribers.connections {
			subscriber.WritePreparedMessage(prepared)
		}
		subscribers.Unlock()
	}
}

func main() {
	port := flag.Int("port", 0, "0 lets the kernel pick one")
	flag.BoolVar(&upgrader.EnableCompression, "deflate", false, "with permessage-deflate")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	http.HandleFunc("/", echo)
	http.HandleFunc("/push", push)
	log.Fatal(http.Serve(listener, nil))
}
