import Lifeline
import LifelineTrace

/// The server's description of itself at `/`: HTML for browsers, plain text for all other clients.
struct IndexPage: Sendable {
    /// A path with a WebSocket.
    struct Place: Sendable {
        let path: String
        let purpose: String
    }

    /// `ws` or `wss`.
    let scheme: String
    let places: [Place]
    /// Whether `/lifeline` has the page that shows every connection.
    let hasPage: Bool

    /// The answer to a request.
    func answer(_ request: HTTPRequest) -> HTTPServerResponse {
        let accepted = request.headerFields[.accept] ?? ""
        let isBrowser = accepted.lowercased().contains("text/html")
        var answer: HTTPServerResponse =
            isBrowser
            ? .text(html, contentType: "text/html; charset=utf-8")
            // With the name by which the client knows the server. In plain text, a name that the client makes up does
            // no harm.
            : .text(text(request.authority ?? ""))
        answer.headerFields[.vary] = "Accept"
        answer.headerFields[.contentSecurityPolicy] =
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
        answer.headerFields[.xContentTypeOptions] = "nosniff"
        return answer
    }

    private func text(_ authority: String) -> String {
        let url = "\(scheme)://\(authority)"
        let width = places.map(\.path.count).max() ?? 0
        let lines = places.map { place in
            "  \(url)\(place.path)" + String(repeating: " ", count: width - place.path.count + 2) + place.purpose
        }
        let page =
            hasPage
            ? "\n\nEvery connection as it happens: \(scheme == "ws" ? "http" : "https")://\(authority)/lifeline" : ""
        return "Lifeline \(Version.current)\n\n" + lines.joined(separator: "\n") + page
            + "\n\nTry: lifeline connect \(url)/echo\n"
    }

    private var html: String {
        let rows = places.map { "<tr><td><code>\($0.path)</code><td>\($0.purpose)" }.joined(separator: "\n")
        let page = hasPage ? "<p><a href=\"/lifeline\">Every connection as it happens</a></p>" : ""
        return """
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>Lifeline</title>
            <link rel="icon" href="data:,">
            <style>
            :root { color-scheme: light dark; --paper: #ffffff; --panel: #f6f8fa; --ink: #1f2328; --dim: #59636e; --line: #c5ccd3; --accent: #0550ae }
            @media (prefers-color-scheme: dark) {
              :root { --paper: #0d1117; --panel: #151b23; --ink: #e6edf3; --dim: #9198a1; --line: #3d444d; --accent: #79c0ff }
            }
            * { box-sizing: border-box }
            body { margin: 0; font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
            header { padding: .7em 1.2em; border-bottom: 1px solid var(--line) }
            main { max-width: 48em; padding: 1em 1.2em; display: grid; gap: 1em }
            section { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .8em 1em; overflow-x: auto }
            h1 { font-size: 1.2em; margin: 0 } h2 { font-size: 1em; margin: 0 0 .5em } p { margin: 0 } a { color: var(--accent) }
            td { padding: 0 1.5em .3em 0; vertical-align: top } td + td { color: var(--dim) }
            code, output { font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
            form { display: flex; flex-wrap: wrap; gap: .6em; margin-bottom: .5em }
            input { min-width: 0; flex: 0 1 24em }
            button, input { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 4px; padding: .2em .6em }
            :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px }
            output { display: block; white-space: pre-wrap; overflow-wrap: anywhere; min-height: 1.5em }
            </style>
            <header><h1>Lifeline</h1></header>
            <main>
            \(page)
            <section><table>
            \(rows)
            </table></section>
            <section>
            <h2>Echo</h2>
            <form><input name="text" value="hello" aria-label="Message"> <button>Send</button></form>
            <output id="echo"></output>
            </section>
            <section>
            <h2>Push</h2>
            <output id="push"></output>
            </section>
            </main>
            <script>
            const base = location.origin.replace(/^http/, "ws");
            const show = (id, text) => { document.getElementById(id).textContent = text; };
            const open = (path, id) => {
              const socket = new WebSocket(base + path);
              socket.onmessage = event => show(id, event.data);
              socket.onclose = event => show(id, "closed " + event.code + " " + event.reason);
              return socket;
            };
            const echo = open("/echo", "echo");
            open("/push", "push");
            document.forms[0].onsubmit = event => {
              event.preventDefault();
              if (echo.readyState === WebSocket.OPEN) echo.send(event.target.text.value);
            };
            </script>
            </html>

            """
    }
}
