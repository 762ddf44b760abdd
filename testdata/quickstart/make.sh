#!/bin/sh
# Writes the logs of this folder anew: starts a real Nginx with this nginx.conf in a temporary folder, sends it the requests of make.py
# (which also plays the servers behind it), and copies what Nginx wrote. Which requests are sent is fixed by a seed; times, request ids,
# the order between connections and which worker takes them are not. Needs Nginx with njs (test/components/setup.sh) and python3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
run=$(mktemp -d)
nginx_pid=
trap '[ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null || true; rm -rf "$run"' EXIT INT TERM

chmod 755 "$run"
mkdir -p "$run/conf" "$run/logs" "$run/tmp" "$run/html/css" "$run/html/img" "$run/html/js"
cp "$here/../../nginx/ngxtap.conf" "$here/conf.d/ngxtap.conf"
cp -r "$here/nginx.conf" "$here/conf.d" "$here/../../nginx/ngxtap.js" "$run/conf/"
# The password of both users is "secret".
printf 'editor:{PLAIN}secret\nshop admin:{PLAIN}secret\n' >"$run/conf/htpasswd"
head -c 3000 /dev/zero | tr '\0' 'a' >"$run/html/css/shop.css"
head -c 9000 /dev/zero | tr '\0' 'b' >"$run/html/js/shop.js"
for i in 1 2 3 4 5 6 7 8 9; do head -c "${i}000" /dev/zero | tr '\0' 'c' >"$run/html/img/$i.svg"; done
echo '<!doctype html><title>shop</title>' >"$run/html/index.html"

user=$(id -un)
nginx -p "$run" -c conf/nginx.conf -g "daemon off; user $user;" &
nginx_pid=$!
python3 "$here/make.py"
kill -QUIT "$nginx_pid"
wait "$nginx_pid" || true
nginx_pid=
for log in shop api static blog; do cp "$run/logs/$log.access.log" "$here/$log.access.log"; done
cd "$here" && wc -lc ./*.access.log
