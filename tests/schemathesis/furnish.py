"""Puts something of everything into a new shop, and says who asks for what: JSON for hooks.py.

Nobody can ask well about what is not there. What is made here is made as people would make it, over the API.
"""

import json
import re
import sys
import time
import urllib.error
import urllib.request

SHOP, PASSWORD = sys.argv[1], sys.argv[2]
IDENTIFIER = re.compile(r"\b[a-z]{2,6}_[0-7][0-9a-hjkmnp-tv-z]{25}\b")
seen = set()


def ask(method, path, who="", body=None, kind="application/json", **headers):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(SHOP + path, data, method=method)
    request.add_header("content-type", kind)
    request.add_header("accept", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    if who:
        request.add_header("authorization", f"Bearer {who}")
    try:
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
            cookie = answer.headers.get("set-cookie", "").split(";")[0]
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")
    seen.update(IDENTIFIER.findall(text.decode(errors="replace")))
    found = json.loads(text) if text[:1] in (b"{", b"[") else {}
    return found | {"cookie": cookie} if cookie else found


def sign_in(name):
    return ask("POST", "/api/login", body={"email": f"{name}@example.com", "password": PASSWORD, "token": True})


def first(path, who):
    return ask("GET", path, who)["data"][0]["id"]


operator, vendor, session = sign_in("ada"), sign_in("carol"), sign_in("dan")
ada, carol = operator["token"], vendor["token"]
own = [ask("GET", "/api/account", who["token"])["id"] for who in (operator, vendor, session)]

# Who makes Brightwater's products.
developers = ask("GET", "/api/admin/developers?limit=100", ada)["data"]
brightwater = next(it for it in developers if it["slug"] == "brightwater")
ask("PATCH", f"/api/admin/developers/{brightwater['id']}", ada, {"user": own[1]}, if_match='"1"')

# Orders: one paid, one subscribed to, one open.
for product, plan in (("tallyman", "solo"), ("quietcheck", "starter")):
    order = ask("POST", "/api/orders", ada, {"items": [{"product": product, "plan": plan}]})["id"]
    paid = ask("GET", f"/pay/{order}", ada)
    where = json.dumps(paid)
    session_id = where.split("/sandbox/pay/")[1].split('"')[0].split("?")[0]
    ask("POST", f"/sandbox/sessions/{session_id}/complete", body={"outcome": "paid"})
    for _ in range(300):
        if ask("GET", f"/api/orders/{order}", ada)["status"] == "fulfilled":
            break
        time.sleep(0.1)
    else:
        sys.exit(f"{order} is not fulfilled")
ask("POST", "/api/orders", ada, {"items": [{"product": "tallyman", "plan": "solo"}]})
license = ask("GET", "/api/licenses", ada)["data"][0]
ask("POST", "/api/license/activate", body={"license_key": license["license_key"], "instance_name": "desk", "fingerprint": "x"})

# Questions, and what is answered with.
question = {"subject": "It stops", "body": "Why?", "license": license["id"]}
file = ask("POST", "/api/attachments?name=a.txt", ada, b"hello", kind="text/plain")
ask("POST", "/api/tickets", ada, question | {"attachments": [file["id"]]})
ask("POST", "/api/admin/canned-answers", ada, {"title": "Switch", "body": "Is it on?"})
article = {"slug": "switches", "title": "Switches", "category": "lamps", "body": "On the left.", "status": "published"}
ask("POST", "/api/admin/articles", ada, article)
ask("POST", "/api/admin/mail-suppressions", ada, {"address": "gone@example.com", "reason": "because"})
plan = first(f"/api/admin/products/{first('/api/admin/products?q=quietcheck', ada)}/plans", ada)
endpoint = {"method": "GET", "path": "/checks", "scope": "checks:read", "description": "", "position": 1}
ask("POST", f"/api/admin/plans/{plan}/endpoints", ada, endpoint)

# What all this left behind.
for thing in "jobs mails orders invoices payments webhooks licenses keys subscriptions tickets coupons categories products".split():
    ask("GET", f"/api/admin/{thing}", ada)
ask("GET", "/api/account/exports", cookie=session["cookie"])
other = first("/api/admin/users?q=bob", ada)

print(json.dumps({"operator": ada, "vendor": carol, "session": session["cookie"], "own": own,
                  "other": other, "seen": sorted(seen - set(own))}))
