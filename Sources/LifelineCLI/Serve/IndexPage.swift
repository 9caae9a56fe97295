import Lifeline

/// What the server says of itself at `/`: a page for browsers, text for everybody else.
struct IndexPage: Sendable {
    /// What is at a path.
    struct Place: Sendable {
        let path: String
        let purpose: String
    }

    /// `ws` or `wss`.
    let scheme: String
    let places: [Place]

    /// The answer to a request.
    func answer(_ request: HTTPRequest) -> HTTPServerResponse {
        let accepted = request.headerFields[.accept] ?? ""
        let isBrowser = accepted.lowercased().contains("text/html")
        var answer: HTTPServerResponse =
            isBrowser
            ? .text(html, contentType: "text/html; charset=utf-8")
            // By the name under which the client knows the server; as plain text it can do no harm.
            : .text(text("\(scheme)://\(request.authority ?? "")"))
        answer.headerFields[.vary] = "Accept"
        answer.headerFields[.contentSecurityPolicy] =
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
        answer.headerFields[.xContentTypeOptions] = "nosniff"
        return answer
    }

    private func text(_ url: String) -> String {
        let width = places.map(\.path.count).max() ?? 0
        let lines = places.map { place in
            "  \(url)\(place.path)" + String(repeating: " ", count: width - place.path.count + 2) + place.purpose
        }
        return "Lifeline \(Version.current)\n\n" + lines.joined(separator: "\n")
            + "\n\nTry: lifeline connect \(url)/echo\n"
    }

    private var html: String {
        let rows = places.map { "<tr><td><code>\($0.path)</code><td>\($0.purpose)" }.joined(separator: "\n")
        return """
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width">
            <title>Lifeline</title>
            <style>
            body { font: 16px/1.5 system-ui, sans-serif; max-width: 42em; margin: 3em auto; padding: 0 1em }
            code, output, input { font: 14px/1.5 ui-monospace, monospace }
            td { padding: 0 2em .3em 0 }
            output { display: block; white-space: pre-wrap; min-height: 1.5em }
            </style>
            <h1>Lifeline</h1>
            <table>
            \(rows)
            </table>
            <h2>Echo</h2>
            <form><input name="text" value="hello" size="40"> <button>Send</button></form>
            <output id="echo"></output>
            <h2>Push</h2>
            <output id="push"></output>
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
