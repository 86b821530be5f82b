"""The security headers of every answer, and what may be kept by a browser."""

from flask import Flask, Response, request

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SAME_ON_ALL = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}
HTTPS_ONLY = "max-age=31536000"


def init_app(app: Flask, *, https: bool) -> None:
    """Put the headers on every answer of `app`, its errors and files included."""
    if https:
        app.after_request(insist_on_https)
    app.after_request(add_headers)


def add_headers(response: Response) -> Response:
    """`response` with the headers; a view that set a Cache-Control of its own keeps it."""
    response.headers.update(SAME_ON_ALL)
    if "Cache-Control" not in response.headers and request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def insist_on_https(response: Response) -> Response:
    """`response` telling the browser to come back by https only."""
    response.headers["Strict-Transport-Security"] = HTTPS_ONLY
    return response
