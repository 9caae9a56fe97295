// Shows a payload as text, JSON or hexadecimal digits.
export class Inspector {
  constructor() {
    this.element = document.getElementById("inspector")
    this.about = document.getElementById("inspector-about")
    this.content = document.getElementById("inspector-content")
    this.buttons = [...this.element.querySelectorAll("[data-view]")]
    this.view = "text"
    this.bytes = new Uint8Array()
    for (const button of this.buttons) {
      button.addEventListener("click", () => {
        this.view = button.dataset.view
        this.draw()
      })
    }
  }

  hide() {
    this.element.hidden = true
  }

  show(row) {
    this.element.hidden = false
    const about = [row.label, row.content, ...(row.details ?? [])].filter(Boolean).join(" · ")
    this.about.textContent = about
    this.bytes = row.base64 ? Uint8Array.from(atob(row.base64), (digit) => digit.charCodeAt(0)) : null
    this.reason = row.payloads
      ? "The server has kept no payload of this step."
      : "Payloads are not kept. The server keeps and shows them if it is started with --show-payloads."
    this.draw()
  }

  draw() {
    for (const button of this.buttons) button.setAttribute("aria-pressed", button.dataset.view === this.view)
    if (!this.bytes) {
      this.content.textContent = this.reason
      return
    }
    const text = new TextDecoder().decode(this.bytes)
    switch (this.view) {
      case "text":
        this.content.textContent = text
        break
      case "json":
        try {
          this.content.textContent = JSON.stringify(JSON.parse(text), null, 2)
        } catch {
          this.content.textContent = "not JSON, or not all of it"
        }
        break
      case "hex":
        this.content.textContent = hex(this.bytes)
    }
  }
}

function hex(bytes) {
  const lines = []
  for (let offset = 0; offset < bytes.length; offset += 16) {
    const part = bytes.subarray(offset, offset + 16)
    const digits = [...part].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
    const text = [...part].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("")
    lines.push(`${offset.toString(16).padStart(6, "0")}  ${digits.padEnd(47)}  ${text}`)
  }
  return lines.join("\n")
}
