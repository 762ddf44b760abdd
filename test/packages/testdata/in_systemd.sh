#!/bin/bash
# What TestUnderSystemd runs in its container, as root, with systemd as process 1: the life of the service. /deliver holds first.deb and second.deb.
# Each step says what it saw; "FAIL" anywhere fails the test.
export LC_ALL=C DEBIAN_FRONTEND=noninteractive SYSTEMD_PAGER= SYSTEMD_COLORS=0

step() { echo "== $*"; }
show() { systemctl show -p "$1" --value ngxtap; }
want() { # want WHAT WANTED GOT
	if [[ $3 == $2 ]]; then echo "ok: $1 is $3"; else
		echo "FAIL: $1 is '$3', want '$2'"
		journalctl -u ngxtap --no-pager -n 15
	fi
}
# until_is WHAT WANTED: waits until a property is as wanted, a minute at most.
until_is() {
	local got
	for _ in $(seq 600); do
		got=$(show "$1")
		[[ $got == $2 ]] && break
		sleep 0.1
	done
	want "$1" "$2" "$got"
}

rm -f /usr/sbin/policy-rc.d
ip link set lo up 2>/dev/null
mkdir -p /var/log/ngxtest /etc/credstore
for i in $(seq 100); do echo "200 /$i"; done >/var/log/ngxtest/access.log
chown root:adm /var/log/ngxtest/access.log && chmod 0640 /var/log/ngxtest/access.log

step "installed without a site: enabled, passed over, not failed"
dpkg -i /deliver/first.deb >/dev/null || echo "FAIL: dpkg -i"
want enabled enabled "$(systemctl is-enabled ngxtap)"
want ActiveState inactive "$(show ActiveState)"
want ConditionResult no "$(show ConditionResult)"

step "a dead broker at the start: ready at once, and the status says what is waited for"
cat >/etc/ngxtap/sites.d/shop.yaml <<EOT
site: shop
access_log: {paths: [/var/log/ngxtest/access.log], log_format: '\$status \$uri'}
EOT
systemctl start ngxtap || echo "FAIL: systemctl start"
want ActiveState active "$(show ActiveState)"
until_is StatusText "0 of 1 site running; shop waiting for Kafka at 127.0.0.1:9092; lag 792 B"

step "with a broker and a credential"
mkdir -p /etc/systemd/system/ngxtap.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/bin/ngxtap run --embedded\nRestartSec=100ms\nWatchdogSec=10s\n' >/etc/systemd/system/ngxtap.service.d/test.conf
systemctl daemon-reload
head -c 32 /dev/zero | tr '\0' k >/etc/credstore/ngxtap.hash_key
echo "headers: {hash_key: 'file:/run/credentials/ngxtap.service/hash_key'}" >>/etc/ngxtap/sites.d/shop.yaml
systemctl restart ngxtap || echo "FAIL: systemctl restart"
until_is StatusText "1 site running*"
want "number of events" 100 "$(ngxtap cat nginx.shop.access --embedded 2>/dev/null | wc -l)"
want "user" ngxtap "$(ps -o user= -p "$(show MainPID)" | tr -d ' ')"
want "capabilities" 0000000000000000 "$(sed -n 's/^CapBnd:\s*//p' "/proc/$(show MainPID)/status")"
want "seccomp" 2 "$(sed -n 's/^Seccomp:\s*//p' "/proc/$(show MainPID)/status")"
want "warning about core dumps" 0 "$(journalctl -u ngxtap --no-pager | grep -c 'core dumps')"
want "state" "700 ngxtap ngxtap" "$(stat -c '%a %U %G' /var/lib/ngxtap/)"

step "pings"
first=$(show WatchdogTimestampMonotonic)
for _ in $(seq 200); do
	second=$(show WatchdogTimestampMonotonic)
	[ "$second" != "$first" ] && break
	sleep 0.1
done
want "a later ping" yes "$([ "$second" -gt "$first" ] && echo yes || echo no)"

step "a reload that is refused, and one that is taken"
echo 'nonsense: 1' >>/etc/ngxtap/ngxtap.yaml
systemctl reload ngxtap || echo "FAIL: systemctl reload"
until_is StatusText "the new configuration is refused, the old one is in force: /etc/ngxtap/ngxtap.yaml:*"
want ActiveState active "$(show ActiveState)"
sed -i '/nonsense/d' /etc/ngxtap/ngxtap.yaml
systemctl reload ngxtap || echo "FAIL: systemctl reload"
until_is StatusText "1 site running*"

step "a kill is cured by a restart"
kill -9 "$(show MainPID)"
until_is NRestarts 1
until_is StatusText "1 site running*"

step "an upgrade restarts it, and it goes on where it was"
echo "201 /new" >>/var/log/ngxtest/access.log
before=$(show MainPID)
dpkg --force-confdef --force-confold -i /deliver/second.deb >/dev/null || echo "FAIL: dpkg -i of the second"
until_is StatusText "1 site running*"
want "another process" yes "$([ "$(show MainPID)" != "$before" ] && echo yes || echo no)"
want version "ngxtap v0.10.0*" "$(ngxtap version)"
for _ in $(seq 300); do
	n=$(ngxtap cat nginx.shop.access --embedded 2>/dev/null | wc -l)
	[ "$n" -ge 101 ] && break
	sleep 0.1
done
want "number of events" 101 "$n"

step "what a restart can't cure is not restarted"
echo 'nonsense: 1' >>/etc/ngxtap/ngxtap.yaml
systemctl restart ngxtap 2>/dev/null && echo "FAIL: it starts with a wrong configuration"
until_is ActiveState failed
want ExecMainStatus 78 "$(show ExecMainStatus)"
want SubState failed "$(show SubState)"
sed -i '/nonsense/d' /etc/ngxtap/ngxtap.yaml
systemctl reset-failed ngxtap
systemctl start ngxtap || echo "FAIL: it does not start again"

step "a stop is orderly"
systemctl stop ngxtap
want Result success "$(show Result)"
want ExecMainStatus 0 "$(show ExecMainStatus)"

step "an upgrade leaves stopped what was stopped"
dpkg --force-confdef --force-confold -i /deliver/second.deb >/dev/null
want ActiveState inactive "$(show ActiveState)"

step "purged"
systemctl start ngxtap
rm -rf /etc/systemd/system/ngxtap.service.d
dpkg --purge ngxtap >/dev/null 2>&1 || echo "FAIL: dpkg --purge"
want LoadState not-found "$(show LoadState)"
want "processes" 0 "$(pgrep -u ngxtap -c)"
for f in /var/lib/ngxtap /etc/ngxtap; do [ ! -e $f ] || echo "FAIL: $f is there"; done
echo "== done"
