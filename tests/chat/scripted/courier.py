"""Answers about the documentation of a library.

Written before the ledger had seen any of them; what it gets wrong stands at the end.
"""

PAGES = {
    "retries.md": (
        "# Courier client\n\n## Retries\n\nCourier sends a failed request again up to 4 times. "
        "The first retry waits 250 ms, and each further wait is twice as long. Requests with "
        "the method `POST` are not retried unless `retry_unsafe=True` is passed. A response "
        "with the status 429 is retried after the number of seconds that its `Retry-After` "
        "header names. When all attempts have failed, `DeliveryError` is raised with the last "
        "response attached.\n"
    ),
    "timeouts.md": (
        "# Courier client\n\n## Timeouts\n\nBy default a request may take 30 seconds in total "
        "and 5 seconds to connect. Pass `timeout=None` to wait for ever, which is not "
        "recommended in production. The connect timeout must be shorter than the total "
        "timeout. A timeout raises `TimeoutExpired`, which is a subclass of `DeliveryError`.\n"
    ),
    "pool.md": (
        "# Courier client\n\n## Connection pool\n\nEach `Session` keeps at most 20 idle "
        "connections per host and closes them after 90 seconds. Sessions are safe to share "
        "between threads but not between processes. Calling `session.close()` waits until "
        "running requests have ended. HTTP/2 is used if the server offers it; HTTP/3 is "
        "experimental and has to be switched on with `COURIER_HTTP3=1`.\n"
    ),
    "auth.md": (
        "# Courier client\n\n## Authentication\n\nTokens are read from the environment "
        "variable `COURIER_TOKEN` or from `~/.courier/credentials`, in this order. A token is "
        "valid for one hour and is renewed automatically 5 minutes before it expires. "
        "Credentials are never written to the log. Administrators can revoke a token at once; "
        "other users have to wait until it expires.\n"
    ),
    "proxy.md": (
        "# Courier client\n\n## Proxies\n\nSOCKS5 proxies are supported since version 2.3, "
        "SOCKS4 proxies are not. Environment variables such as `HTTPS_PROXY` are ignored by "
        "default; set `trust_env=True` to respect them. Traffic to `localhost` always bypasses "
        "the proxy. Some corporate proxies break HTTP/2, and then Courier falls back to "
        "HTTP/1.1.\n"
    ),
    "billing.md": (
        "# Courier cloud\n\n## Prices\n\nThe free plan includes 10,000 requests a month. The "
        "team plan costs $29 per month and includes 500,000 requests. Unused requests do not "
        "carry over to the next month. Invoices are sent on the first working day of the "
        "month, and payment is due within 14 days. Customers in the EU pay VAT of their "
        "country unless they give a valid VAT number.\n"
    ),
}  # fmt: skip

QUESTION = (
    "How do retries, timeouts, the connection pool, authentication, proxies and "
    "prices of Courier work?"
)

UNSUPPORTED: dict[str, list[str]] = {
    "a mixture": [
        "Courier sends a failed request again up to 14 times {Retries}.",
        "The first retry waits 250 seconds {Retries}.",
        "Each further wait is half as long {Retries}.",
        "Requests with the method `POST` are always retried {Retries}.",
        "Requests with the method `GET` are not retried unless `retry_unsafe=True` is passed "
        "{Retries}.",
        "When all attempts have failed, `TimeoutExpired` is raised with the last response "
        "attached {Retries}.",
        "When all attempts have succeeded, `DeliveryError` is raised {Retries}.",
        "A request may take 5 seconds in total and 30 seconds to connect {Timeouts}.",
        "A request may take 30 minutes in total {Timeouts}.",
        "Waiting for ever is recommended in production {Timeouts}.",
        "The connect timeout must be longer than the total timeout {Timeouts}.",
        "The total timeout must be shorter than the connect timeout {Timeouts}.",
        "`DeliveryError` is a subclass of `TimeoutExpired` {Timeouts}.",
        "Each `Session` keeps at least 20 idle connections per host {Connection pool}.",
        "Each `Session` keeps at most 200 idle connections per host {Connection pool}.",
        "Idle connections are closed after 90 minutes {Connection pool}.",
        "Sessions are safe to share between processes but not between threads {Connection pool}.",
        "HTTP/2 is experimental and has to be switched on {Connection pool}.",
        "HTTP/3 is switched on with `COURIER_HTTP2=1` {Connection pool}.",
        "Calling `session.close()` aborts running requests {Connection pool}.",
        "Tokens are read from the environment variable `COURIER_KEY` {Authentication}.",
        "Tokens are read from `~/.courier/credentials` first and from the environment variable "
        "`COURIER_TOKEN` after that {Authentication}.",
        "A token is valid for one day {Authentication}.",
        "A token is renewed manually 5 minutes before it expires {Authentication}.",
        "Credentials are written to the log {Authentication}.",
        "Other users can revoke a token at once; administrators have to wait until it expires "
        "{Authentication}.",
        "Only administrators can read tokens from the environment {Authentication}.",
        "SOCKS4 proxies are supported since version 2.3 {Proxies}.",
        "SOCKS5 proxies are supported since version 3.2 {Proxies}.",
        "Environment variables such as `HTTPS_PROXY` are respected by default {Proxies}.",
        "Traffic to `localhost` never bypasses the proxy {Proxies}.",
        "All corporate proxies break HTTP/2 {Proxies}.",
        "The free plan includes 100,000 requests a month {Prices}.",
        "The team plan costs €29 per month {Prices}.",
        "The team plan costs $29 per year {Prices}.",
        "Unused requests carry over to the next month {Prices}.",
        "Invoices are sent on the last working day of the month {Prices}.",
        "Payment is due within 14 weeks {Prices}.",
        "The free plan includes 500,000 requests {Prices}.",
        "Customers in the EU never pay VAT {Prices}.",
        "Courier was written by Maria Lopez in Rust {Retries}.",
        "It also supports gRPC and GraphQL out of the box.",
        "The client is written in pure Python and has no dependencies {Timeouts}.",
        "Courier retries up to 4 times {Timeouts}.",
        "The documentation says “retries are unlimited for paying customers” {Prices}.",
    ],
}

GOOD: dict[str, list[str]] = {
    "a mixture": [
        "A failed request is repeated up to four times {Retries}.",
        "The wait before the first retry is 250 milliseconds, and it doubles each time {Retries}.",
        "`POST` requests are only retried if you pass `retry_unsafe=True` {Retries}.",
        "To retry `POST` requests, pass `retry_unsafe=True` {Retries}.",
        "On a 429 response, Courier waits for as many seconds as `Retry-After` says {Retries}.",
        "If every attempt fails, you get a `DeliveryError` that carries the last response "
        "{Retries}.",
        "The total timeout is 30 seconds by default, the connect timeout 5 seconds {Timeouts}.",
        "With `timeout=None` a request waits indefinitely, which you should avoid in "
        "production {Timeouts}.",
        "`TimeoutExpired` is raised on a timeout and derives from `DeliveryError` {Timeouts}.",
        "Make sure that the connect timeout is shorter than the total one {Timeouts}.",
        "Up to 20 idle connections are kept for every host {Connection pool}.",
        "Idle connections are closed after a minute and a half {Connection pool}.",
        "You can share a session between threads, but not between processes {Connection pool}.",
        "`session.close()` lets running requests finish first {Connection pool}.",
        "HTTP/3 is off by default; set `COURIER_HTTP3=1` to enable it {Connection pool}.",
        "HTTP/2 is used automatically when the server supports it {Connection pool}.",
        "The token comes from `COURIER_TOKEN`, or else from `~/.courier/credentials` "
        "{Authentication}.",
        "Tokens expire after an hour and are renewed five minutes earlier {Authentication}.",
        "Credentials never show up in logs {Authentication}.",
        "An administrator can revoke tokens immediately {Authentication}.",
        "SOCKS5 works since version 2.3, while SOCKS4 is not supported {Proxies}.",
        "Courier does not look at variables like `HTTPS_PROXY` unless you set `trust_env=True` "
        "{Proxies}.",
        "Requests to `localhost` never go through the proxy {Proxies}.",
        "If a proxy breaks HTTP/2, Courier uses HTTP/1.1 instead {Proxies}.",
        "The free plan comes with 10000 requests per month {Prices}.",
        "For $29 a month, the team plan includes 500,000 requests {Prices}.",
        "Requests that you do not use expire at the end of the month {Prices}.",
        "You have 14 days to pay an invoice {Prices}.",
        "EU customers with a valid VAT number pay no VAT {Prices}.",
        "The defaults are:\n\n- 30 seconds in total {Timeouts}\n- 5 seconds to connect "
        "{Timeouts}\n- 4 retries {Retries}",
        "| plan | requests a month |\n|---|---|\n| free | 10,000 |\n| team | 500,000 |\n\n{Prices}",
        "Courier retries four times {Retries} and gives up after 30 seconds {Timeouts}.",
        "As the page puts it, “Credentials are never written to the log” {Authentication}.",
        "Yes, but only within one process: sessions can be shared between threads {Connection "
        "pool}.",
    ],
}

# Wrong, and not found to be so.
MISSED = {
    "Calling `session.close()` aborts running requests {Connection pool}.",
    "Tokens are read from `~/.courier/credentials` first and from the environment variable "
    "`COURIER_TOKEN` after that {Authentication}.",
}

# Sound, and called unsupported all the same.
FLAGGED = {
    "Requests to `localhost` never go through the proxy {Proxies}.",
    "Requests that you do not use expire at the end of the month {Prices}.",
    "Courier retries four times {Retries} and gives up after 30 seconds {Timeouts}.",
    "Yes, but only within one process: sessions can be shared between threads {Connection pool}.",
}
