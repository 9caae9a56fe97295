// A connection that the user opens from the page.
export class Attempt {
  constructor({ address, opened }) {
    this.address = address
    this.opened = opened
    this.path = null
    this.element = document.getElementById("attempt")
    this.select = document.getElementById("attempt-path")
    this.text = document.getElementById("attempt-text")
    this.openButton = document.getElementById("attempt-open")
    this.closeButton = document.getElementById("attempt-close")
    this.sendButton = document.getElementById("attempt-send")
    this.log = document.getElementById("attempt-log")
    document.getElementById("attempt-form").addEventListener("submit", (event) => {
      event.preventDefault()
      this.connect()
    })
    document.getElementById("attempt-message").addEventListener("submit", (event) => {
      event.preventDefault()
      this.send()
    })
    this.closeButton.addEventListener("click", () => this.socket?.close(1000, "bye"))
  }

  // Sets the paths to choose from. Without any, the form is hidden.
  offer(places) {
    this.element.hidden = places.length === 0
    const before = this.select.value
    this.select.replaceChildren(...places.map((place) => new Option(place, place)))
    if (places.includes(before)) this.select.value = before
  }

  connect() {
    this.path = this.select.value
    this.opened()
    const socket = new WebSocket(this.address(this.path))
    socket.binaryType = "arraybuffer"
    this.socket = socket
    this.show(false)
    socket.onopen = () => {
      this.note(`opened ${this.path}`)
      this.show(true)
    }
    socket.onmessage = ({ data }) => this.note(`◀ ${typeof data === "string" ? data : `${data.byteLength} bytes`}`)
    socket.onclose = ({ code, reason }) => {
      this.note(`closed ${code}${reason ? ` “${reason}”` : ""}`)
      if (this.socket === socket) {
        this.socket = null
        this.show(false)
      }
    }
  }

  send() {
    this.socket.send(this.text.value)
    this.note(`▶ ${this.text.value}`)
  }

  show(isOpen) {
    this.sendButton.disabled = this.closeButton.disabled = !isOpen
    this.openButton.disabled = this.socket !== null && this.socket !== undefined
  }

  note(text) {
    const item = document.createElement("li")
    item.textContent = text
    this.log.append(item)
    while (this.log.childElementCount > 200) this.log.firstChild.remove()
    this.log.scrollTop = this.log.scrollHeight
  }
}
