// The list of connections. Only the visible rows are in the document.
const rowHeight = 26

export class ConnectionList {
  constructor({ choose }) {
    this.onChoose = choose
    this.element = document.getElementById("list")
    this.space = document.getElementById("list-space")
    this.count = document.getElementById("count")
    this.summaries = new Map()
    this.order = []
    this.rows = new Map()
    this.columns = new Set()
    this.chosen = null
    this.own = null
    this.now = 0
    this.isDue = false
    this.element.addEventListener("scroll", () => this.draw())
    this.element.addEventListener("keydown", (event) => this.key(event))
    new ResizeObserver(() => this.draw()).observe(this.element)
    // Ages grow, and rates fall, without any message.
    setInterval(() => this.draw(), 1000)
  }

  clear(own) {
    this.own = own
    this.summaries.clear()
    this.order = []
    this.columns.clear()
    this.chosen = null
    this.draw()
  }

  // Takes the changes of the list. Returns the new connections.
  update({ now, changed, ids }) {
    this.now = now
    this.updated = performance.now()
    const fresh = []
    for (const summary of changed) {
      const before = this.summaries.get(summary.id)
      if (!before) fresh.push(summary)
      summary.rates = rates(before, summary, now)
      // A column stays once it was needed, so that the others do not move back and forth.
      if (summary.roundTrips?.length) this.columns.add("has-round-trips")
      if (summary.rates?.in || summary.rates?.out) this.columns.add("has-rates")
      if (queueText(summary)) this.columns.add("has-queues")
      this.summaries.set(summary.id, summary)
    }
    const there = new Set(ids)
    for (const id of this.summaries.keys()) if (!there.has(id)) this.summaries.delete(id)
    // Open connections first, then by age, the youngest first.
    this.order = [...this.summaries.values()]
      .sort((a, b) => isOver(a) - isOver(b) || b.id - a.id)
      .map((summary) => summary.id)
    this.layOut()
    this.draw()
    return fresh
  }

  // Sets the columns. Only a change is written, since it makes the browser lay out every row again.
  layOut() {
    const layout = [...this.columns].join(" ")
    const digits = String(this.order.reduce((a, b) => Math.max(a, b), 100)).length
    if (layout === this.layout && digits === this.digits) return
    this.layout = layout
    this.digits = digits
    const section = document.getElementById("connections")
    section.className = layout
    section.style.setProperty("--digits", digits)
  }

  choose(id) {
    this.chosen = id
    this.draw()
  }

  // Draws all changes since the last frame at once.
  draw() {
    if (this.isDue) return
    this.isDue = true
    requestAnimationFrame(() => {
      this.isDue = false
      this.drawNow()
    })
  }

  drawNow() {
    const open = this.order.filter((id) => !isOver(this.summaries.get(id))).length
    this.count.textContent = this.order.length ? `(${open} open, ${this.order.length - open} others)` : ""
    this.space.style.height = `${this.order.length * rowHeight}px`
    const first = Math.max(0, Math.floor(this.element.scrollTop / rowHeight) - 4)
    const last = Math.min(this.order.length, first + Math.ceil(this.element.clientHeight / rowHeight) + 8)
    const seen = new Set()
    for (let index = first; index < last; index++) {
      const id = this.order[index]
      seen.add(id)
      let row = this.rows.get(id)
      if (!row) {
        row = this.make(id)
        this.rows.set(id, row)
        this.space.append(row.element)
      }
      this.fill(row, this.summaries.get(id), index)
    }
    for (const [id, row] of this.rows) {
      if (seen.has(id)) continue
      row.element.remove()
      this.rows.delete(id)
    }
    this.element.setAttribute("aria-activedescendant", seen.has(this.chosen) ? `connection-${this.chosen}` : "")
  }

  make(id) {
    const element = document.createElement("div")
    element.id = `connection-${id}`
    element.setAttribute("role", "option")
    element.addEventListener("click", () => this.onChoose(id))
    const cells = {}
    for (const name of ["dot", "id", "route", "peer", "age", "spark", "in", "out", "queue"]) {
      const cell = document.createElement("span")
      if (name === "dot") cell.setAttribute("role", "img")
      if (["id", "age", "in", "out", "queue"].includes(name)) cell.className = "number"
      cells[name] = cell
      element.append(cell)
    }
    return { element, cells }
  }

  fill({ element, cells }, summary, index) {
    const isChosen = summary.id === this.chosen
    element.className = `connection${isChosen ? " chosen" : ""}${isOver(summary) ? " ended" : ""}`
    element.style.transform = `translateY(${index * rowHeight}px)`
    element.setAttribute("aria-selected", isChosen)
    element.setAttribute("aria-setsize", this.order.length)
    element.setAttribute("aria-posinset", index + 1)
    element.dataset.state = summary.state
    element.dataset.route = summary.route
    const since = performance.now() - (this.updated ?? 0)
    const age = ((summary.ended ?? this.now + since * 1e6) - summary.began) / 1e9
    cells.dot.className = `dot ${summary.state}${summary.ended != null && summary.isClean === false ? " unclean" : ""}`
    cells.dot.setAttribute("aria-label", summary.state)
    element.title = [summary.state, summary.ending, summary.compression].filter(Boolean).join("\n")
    set(cells.id, `#${summary.id}`)
    set(cells.route, summary.route + (summary.id === this.own ? " (this page)" : ""))
    set(cells.peer, summary.peer)
    set(cells.age, ageText(age))
    sparkline(cells.spark, summary.roundTrips)
    const isStale = since > 2000 || isOver(summary)
    set(cells.in, isStale ? "" : rateText(summary.rates?.in))
    set(cells.out, isStale ? "" : rateText(summary.rates?.out))
    set(cells.queue, queueText(summary))
  }

  key(event) {
    const index = this.order.indexOf(this.chosen)
    const page = Math.max(1, Math.floor(this.element.clientHeight / rowHeight) - 1)
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }
    if (!(event.key in steps) || !this.order.length) return
    event.preventDefault()
    const next = Math.min(this.order.length - 1, Math.max(0, (index < 0 ? -1 : index) + steps[event.key]))
    const top = next * rowHeight
    if (top < this.element.scrollTop) this.element.scrollTop = top
    const bottom = top + rowHeight - this.element.clientHeight
    if (bottom > this.element.scrollTop) this.element.scrollTop = bottom
    this.onChoose(this.order[next])
  }
}

// Whether a connection is not an open WebSocket, and is not about to become one. The TCP connection of an answered
// request may be kept open, and browsers open some that they do not use.
function isOver(summary) {
  if (summary.ended != null || summary.state === "http" || summary.state === "refused") return true
  return summary.state === "connecting" && summary.route === ""
}

function set(cell, text) {
  if (cell.textContent !== text) cell.textContent = text
}

// Messages per second between two changes.
function rates(before, after, now) {
  const seconds = before?.at ? (now - before.at) / 1e9 : 0
  after.at = now
  if (seconds <= 0) return before?.rates
  return {
    in: (after.received.messages - before.received.messages) / seconds,
    out: (after.sent.messages - before.sent.messages) / seconds,
  }
}

function rateText(rate) {
  if (!rate) return ""
  return rate < 10 ? rate.toFixed(1) : Math.round(rate).toString()
}

function queueText(summary) {
  return summary.isPaused ? "paused" : summary.pending ? bytesText(summary.pending) : summary.isWaiting ? "full" : ""
}

function ageText(seconds) {
  if (seconds < 60) return `${Math.max(0, seconds).toFixed(0)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return `${Math.floor(seconds / 3600)} h`
}

export function bytesText(count) {
  if (count < 1024) return `${count} B`
  return count < 1 << 20 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / (1 << 20)).toFixed(1)} MiB`
}

function sparkline(cell, times) {
  const key = times.join(" ")
  if (cell.dataset.times === key) return
  cell.dataset.times = key
  cell.replaceChildren()
  if (!times.length) return
  const last = times[times.length - 1]
  const text = last < 1000 ? `${Math.round(last)} µs` : `${(last / 1000).toFixed(1)} ms`
  cell.setAttribute("aria-label", `round trip ${text}`)
  cell.title = text
  if (times.length === 1) {
    cell.textContent = text
    return
  }
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("class", "sparkline")
  svg.setAttribute("viewBox", "0 0 80 18")
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline")
  const most = Math.max(...times)
  const points = times.map((time, index) => `${(index * 80) / (times.length - 1)},${16 - (14 * time) / most}`)
  line.setAttribute("points", points.join(" "))
  svg.append(line)
  cell.append(svg)
}
