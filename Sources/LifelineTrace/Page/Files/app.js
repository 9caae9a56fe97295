// The page: a WebSocket client of the server whose connections it shows.
import { Attempt } from "./attempt.js"
import { ConnectionList } from "./connections.js"
import { Diagram } from "./diagram.js"
import { Inspector } from "./inspector.js"

const base = location.pathname.replace(/\/$/, "")
const token = new URLSearchParams(location.search).get("token")
const query = (values) => {
  const parameters = new URLSearchParams(values)
  if (token !== null) parameters.set("token", token)
  const text = parameters.toString()
  return text ? "?" + text : ""
}
const address = (path) => location.origin.replace(/^http/, "ws") + path

const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname)
const payloadHint = document.getElementById("payload-hint")
const status = document.getElementById("status")
const subject = document.getElementById("subject")
const inspector = new Inspector()
const diagram = new Diagram({
  inspect: (row) => inspector.show(row),
  exportAddress: (connection, format) => `${base}/export${query({ connection, format })}`,
})
const list = new ConnectionList({ choose: (id) => watch(id) })
const attempt = new Attempt({ address, opened: () => (followsNext = true) })

let socket
let delay = 250
let watched = null
// Whether to show the diagram of the next connection at the path that the user has just opened.
let followsNext = false

function say(text, kind) {
  status.textContent = text
  status.className = kind
}

function watch(id) {
  watched = id
  inspector.hide()
  diagram.open(id)
  list.choose(id)
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: id }))
}

function connect() {
  socket = new WebSocket(address(`${base}/socket${query({})}`))
  socket.onopen = () => {
    delay = 250
    say("live", "good")
  }
  socket.onmessage = (event) => take(JSON.parse(event.data))
  socket.onclose = (event) => {
    const reason = event.reason ? `: ${event.reason}` : ""
    if (event.code === 1008) return say(`not allowed${reason}`, "bad")
    say(`the connection to the server ended (${event.code}${reason}); reconnecting`, "bad")
    setTimeout(connect, delay)
    delay = Math.min(delay * 2, 4000)
  }
}

function take(message) {
  switch (message.type) {
    case "hello":
      subject.textContent = message.subject
      attempt.offer(message.places)
      diagram.canTry = message.places.length > 0
      diagram.payloads = message.payloads
      // Only a user of the server's own machine can restart it with other options.
      payloadHint.hidden = message.payloads || !isLoopback
      // After a reconnection the server may be another one, with other connections.
      list.clear(message.own)
      watched = null
      diagram.open(null)
      break
    case "list": {
      const fresh = list.update(message)
      if (followsNext) {
        const own = fresh.find((summary) => attempt.path !== null && summary.route.split("?")[0] === attempt.path)
        if (own) {
          followsNext = false
          watch(own.id)
        }
      }
      break
    }
    case "rows":
      if (message.connection === watched) diagram.take(message)
      break
  }
}

connect()
