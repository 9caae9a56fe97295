// The diagram of one connection, which grows as it happens. The server sends its rows.
const maximumShown = 3000
// A pause of this many nanoseconds has a row of its own. It is longer than the interval of a feed with one message a second.
const leastPause = 1.5e9

export class Diagram {
  constructor({ inspect, exportAddress }) {
    this.inspect = inspect
    this.exportAddress = exportAddress
    this.title = document.getElementById("diagram-title")
    this.tools = document.getElementById("diagram-tools")
    this.hint = document.getElementById("diagram-hint")
    this.lifelines = document.getElementById("lifelines")
    this.list = document.getElementById("rows")
    this.omitted = document.getElementById("omitted")
    this.filter = { kind: "", from: "", text: "" }
    this.payloads = false
    // Whether the page can open connections itself.
    this.canTry = true
    this.open(null)
    // The end stays in sight, unless the user scrolls up.
    this.list.addEventListener("scroll", () => {
      const { scrollTop, scrollHeight, clientHeight } = this.list
      if (scrollHeight - scrollTop - clientHeight < 40) this.follows = true
      else if (scrollTop < this.lastTop) this.follows = false
      this.lastTop = scrollTop
    })
    for (const [id, name, type] of [
      ["filter-kind", "kind", "change"], ["filter-from", "from", "change"], ["filter-text", "text", "input"],
    ]) {
      document.getElementById(id).addEventListener(type, (event) => {
        this.filter[name] = event.target.value.toLowerCase()
        this.drawAll()
      })
    }
  }

  open(id) {
    this.connection = id
    this.rows = []
    this.waiting = null
    // The number of rows that have been drawn before. Later ones are marked as new.
    this.known = 0
    // Whether the end stays in sight, and the last scroll position.
    this.follows = true
    this.lastTop = 0
    this.list.replaceChildren()
    this.omitted.textContent = ""
    this.tools.hidden = this.lifelines.hidden = id === null
    this.hint.hidden = id !== null
    this.hint.textContent = this.canTry ? "Choose a connection, or open one with Try it." : "Choose a connection."
    this.title.textContent = id === null ? "Diagram" : `Diagram of #${id}`
    for (const link of document.querySelectorAll("#export a")) {
      if (id !== null) link.href = this.exportAddress(id, link.dataset.format)
    }
  }

  // Takes rows, which replace those from the given index on. Draws once for all that arrive before the next frame.
  take({ from, rows, isNew }) {
    if (isNew) {
      this.rows = []
      this.known = 0
      from = 0
    }
    // Rows that are the same as before stay in the document.
    const known = this.rows.slice(from)
    let same = 0
    while (same < Math.min(rows.length, known.length) && JSON.stringify(rows[same]) === JSON.stringify(known[same])) same++
    from += same
    rows = rows.slice(same)
    this.rows.length = Math.min(this.rows.length, from)
    this.rows.push(...rows)
    const isDue = this.waiting !== null
    this.waiting = isNew ? 0 : Math.min(this.waiting ?? Infinity, from)
    if (!isDue) {
      requestAnimationFrame(() => {
        const start = this.waiting
        this.waiting = null
        if (start !== null) this.drawFrom(start)
      })
    }
  }

  drawAll() {
    this.follows = true
    this.list.replaceChildren()
    this.drawFrom(0)
  }

  drawFrom(start) {
    while (this.list.lastChild && Number(this.list.lastChild.dataset.index) >= start) this.list.lastChild.remove()
    const fragment = document.createDocumentFragment()
    let lastTime = null
    for (let index = start - 1; index >= 0 && lastTime === null; index--) lastTime = this.rows[index].time ?? null
    const first = Math.max(start, this.rows.length - maximumShown)
    for (let index = first; index < this.rows.length; index++) {
      const row = this.rows[index]
      if (row.time != null) {
        if (lastTime !== null && row.time - lastTime >= leastPause && !this.isFiltered) {
          fragment.append(this.pause(row.time - lastTime, index))
        }
        lastTime = row.time
      }
      if (this.fits(row)) fragment.append(this.draw(row, index, this.known > 0 && index >= this.known))
    }
    this.list.append(fragment)
    this.known = Math.max(this.known, this.rows.length)
    while (this.list.childElementCount > maximumShown) this.list.firstChild.remove()
    this.omitted.textContent =
      this.rows.length > maximumShown ? `The last ${maximumShown} of ${this.rows.length} steps are shown.` : ""
    this.showEnd()
  }

  showEnd() {
    if (!this.follows) return
    const height = this.list.scrollHeight
    this.list.scrollTop = height
    this.lastTop = this.list.scrollTop
    // Rows are laid out when they come into sight, and may be higher than assumed.
    requestAnimationFrame(() => {
      if (this.list.scrollHeight !== height) this.showEnd()
    })
  }

  get isFiltered() {
    return Boolean(this.filter.kind || this.filter.from || this.filter.text)
  }

  fits(row) {
    const { kind, from, text } = this.filter
    if (!this.isFiltered) return true
    if (kind && (row.kind === "note" ? "note" : row.style) !== kind) return false
    if (from && row.from !== from) return false
    if (!text) return row.kind !== "phase"
    return [row.label, row.content, ...(row.details ?? [])].join(" ").toLowerCase().includes(text)
  }

  draw(row, index, isFresh) {
    const item = document.createElement("li")
    item.dataset.index = index
    const time = document.createElement("time")
    if (row.time != null) time.textContent = timeText(row.time)
    const between = document.createElement("div")
    between.className = "between"
    item.append(time, between)
    if (row.kind === "arrow") {
      item.className = `arrow ${row.from} ${row.style}${isFresh ? " fresh" : ""}`
      if (row.number != null) item.dataset.number = row.number
      item.dataset.label = row.label
      item.dataset.from = row.from
      item.dataset.style = row.style
      between.append(this.arrow(row, item))
      if (row.details?.length) {
        const details = document.createElement("div")
        details.className = "details"
        details.textContent = row.details.join(" · ")
        between.append(details)
      }
    } else {
      item.className = row.kind === "note" ? `note ${row.side ?? "both"}${row.warning ? " warning" : ""}` : row.kind
      between.textContent = row.label ?? ""
    }
    return item
  }

  arrow(row, item) {
    const button = document.createElement("button")
    button.type = "button"
    const to = row.from === "client" ? "server" : "client"
    button.setAttribute("aria-label", [row.number, `${row.from} to ${to}:`, row.label, row.content].filter(Boolean).join(" "))
    if (row.number != null) button.append(span("digit", `${row.number} `))
    button.append(row.label)
    if (row.content) button.append(" ", span("content", row.content))
    button.addEventListener("click", () => {
      for (const chosen of this.list.querySelectorAll(".chosen")) chosen.classList.remove("chosen")
      item.classList.add("chosen")
      this.inspect({ ...row, payloads: this.payloads })
    })
    return button
  }

  pause(nanoseconds, index) {
    const item = document.createElement("li")
    item.className = "pause"
    item.dataset.index = index
    const between = document.createElement("div")
    between.className = "between"
    between.textContent = `⋮ ${timeText(nanoseconds)} later`
    item.append(document.createElement("time"), between)
    return item
  }
}

function span(name, text) {
  const element = document.createElement("span")
  element.className = name
  element.textContent = text
  return element
}

function timeText(nanoseconds) {
  if (nanoseconds < 1e6) return `${Math.round(nanoseconds / 1e3)} µs`
  if (nanoseconds < 1e9) return `${(nanoseconds / 1e6).toPrecision(3)} ms`
  return `${(nanoseconds / 1e9).toFixed(2)} s`
}
