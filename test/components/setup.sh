#!/bin/sh
# Installs the real components that the end-to-end tests run against: Nginx with njs and Lua, newer ones, Apache Kafka, the Apicurio schema registry, a
# Python with independent Kafka and Avro readers, the shells and readers of man pages, promtool, and a browser with axe-core. Versions: versions.env. Downloads
# go through the ordinary clients (apt-get, mvn, pip, npm) as they are configured on this machine, into ${NGXTAP_CACHE:-$HOME/.cache/ngxtap-test}. Safe to run
# again; under a second when all is there.
#
# Exit 0: everything is in place. Exit 1: something is missing; each missing part is named on stderr with the way to get it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/versions.env"
cache=${NGXTAP_CACHE:-$HOME/.cache/ngxtap-test}
mkdir -p "$cache" || exit 1
failed=0

missing() { # missing PART HOW
	echo "components: $1 is missing: $2" >&2
	failed=1
}

have() { command -v "$1" >/dev/null 2>&1; }

# quietly LOG COMMAND...: runs it with its output in LOG, and shows the end of LOG if it fails.
quietly() {
	log=$1
	shift
	"$@" >"$log" 2>&1 && return 0
	echo "components: this failed: $*" >&2
	tail -n 15 "$log" | sed 's/^/    /' >&2
	return 1
}

# fresh DIR: an empty DIR to fill beside its final place; done_with moves it there, so a half-filled one never counts.
fresh() { rm -rf "$1.part" && mkdir -p "$1.part"; }
done_with() { rm -rf "$1" && mv "$1.part" "$1"; }

nginx_is_there() {
	have nginx || return 1
	for dir in /usr/lib/nginx/modules /usr/lib64/nginx/modules /usr/local/lib/nginx/modules; do
		[ -e "$dir/ngx_http_js_module.so" ] && return 0
	done
	return 1
}

setup_nginx() {
	nginx_is_there && return
	how="as root: apt-get install --no-install-recommends nginx=$NGINX_DEB libnginx-mod-http-js=$NJS_DEB (any Nginx >= 1.22 with its njs module will do)"
	if ! have apt-get || [ "$(id -u)" != 0 ]; then
		missing "Nginx with njs" "$how"
		return
	fi
	# A service that starts by itself would take port 80 of a developer's machine.
	policy=/usr/sbin/policy-rc.d
	ours=
	if [ ! -e $policy ]; then
		ours=yes
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
	fi
	export DEBIAN_FRONTEND=noninteractive
	quietly "$cache/apt.log" apt-get update &&
		{ quietly "$cache/apt.log" apt-get install -y --no-install-recommends "nginx=$NGINX_DEB" "libnginx-mod-http-js=$NJS_DEB" ||
			quietly "$cache/apt.log" apt-get install -y --no-install-recommends nginx libnginx-mod-http-js; }
	[ -z "$ours" ] || rm -f $policy
	nginx_is_there || missing "Nginx with njs" "$how"
}

# The Lua module of Nginx, beside njs.
setup_nginx_lua() {
	[ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] && return
	if have apt-get && [ "$(id -u)" = 0 ]; then
		DEBIAN_FRONTEND=noninteractive
		export DEBIAN_FRONTEND
		quietly "$cache/apt.log" apt-get install -y --no-install-recommends libnginx-mod-http-lua ||
			{ quietly "$cache/apt.log" apt-get update && quietly "$cache/apt.log" apt-get install -y --no-install-recommends libnginx-mod-http-lua; }
	fi
	[ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] || missing "the Lua module of Nginx" "as root: apt-get install libnginx-mod-http-lua"
}

# A newer Nginx and njs, of another suite of Debian, with all their libraries in a folder of their own: nothing of it is installed. It takes
# ten seconds. One that can't be had is said and does not fail: these suites change from day to day. The tests want one of them at least.
setup_newer_nginx() { # setup_newer_nginx SUITE
	dir=$cache/nginx-$1
	[ -x "$dir/nginx" ] && return
	keys=/usr/share/keyrings/debian-archive-keyring.gpg
	how="on Debian, with apt-get, dpkg and $keys, and access to deb.debian.org; run this script again"
	arch=$(dpkg --print-architecture 2>/dev/null)
	if have apt-get && [ ! -e $keys ] && [ "$(id -u)" = 0 ]; then # on Ubuntu
		quietly "$cache/apt.log" apt-get install -y --no-install-recommends debian-archive-keyring
	fi
	if ! have apt-get || ! have dpkg || [ ! -e $keys ]; then
		echo "components: NOT THERE: Nginx and njs of Debian $1: $how" >&2
		return
	fi
	fresh "$dir"
	apt=$dir.part/apt
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	echo "deb [signed-by=$keys] http://deb.debian.org/debian $1 main" >"$apt/sources.list"
	: >"$apt/status"
	newer() { # apt-get with nothing of this machine's but the key and the proxy
		quietly "$cache/apt-$suite.log" apt-get -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State=$apt" \
			-o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o "APT::Architecture=$arch" \
			-o Acquire::Languages=none -o Debug::NoLocking=1 "$@"
	}
	suite=$1
	newer update && newer install -y --no-install-recommends --download-only nginx libnginx-mod-http-js &&
		for deb in "$apt"/cache/archives/*.deb; do dpkg -x "$deb" "$dir.part/root" || break; done
	ld=$(find "$dir.part/root/usr/lib" -name 'ld-linux*.so*' | head -n 1)
	if [ -z "$ld" ] || [ ! -e "$dir.part/root/usr/lib/nginx/modules/ngx_http_js_module.so" ]; then
		echo "components: NOT THERE: Nginx and njs of Debian $1: $how" >&2
		return
	fi
	rm -rf "$apt"
	ld=$dir${ld#"$dir.part"}
	printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$ld" "${ld%/*}" "$dir/root/usr/sbin/nginx" >"$dir.part/nginx"
	chmod 755 "$dir.part/nginx"
	done_with "$dir"
}

setup_logrotate() {
	have logrotate && return
	if have apt-get && [ "$(id -u)" = 0 ]; then
		DEBIAN_FRONTEND=noninteractive
		export DEBIAN_FRONTEND
		quietly "$cache/apt.log" apt-get install -y --no-install-recommends logrotate ||
			{ quietly "$cache/apt.log" apt-get update && quietly "$cache/apt.log" apt-get install -y --no-install-recommends logrotate; }
	fi
	have logrotate || missing logrotate "as root: apt-get install logrotate"
}

# A browser without a screen, of whatever version the distribution has: it gets new ones every week. 64 MB to load, 15 seconds, and a font.
setup_browser() {
	browser_is_there && return
	if have apt-get && [ "$(id -u)" = 0 ]; then
		DEBIAN_FRONTEND=noninteractive
		export DEBIAN_FRONTEND
		quietly "$cache/apt.log" apt-get install -y --no-install-recommends chromium-headless-shell fonts-dejavu-core ||
			{ quietly "$cache/apt.log" apt-get update && quietly "$cache/apt.log" apt-get install -y --no-install-recommends chromium-headless-shell fonts-dejavu-core; } ||
			quietly "$cache/apt.log" apt-get install -y --no-install-recommends chromium fonts-dejavu-core
	fi
	browser_is_there || missing "a browser" "as root: apt-get install chromium-headless-shell (or chromium, or Google Chrome)"
}

browser_is_there() {
	for browser in chromium-headless-shell chromium chromium-browser google-chrome; do
		have $browser && return
	done
	return 1
}

# One script of the package axe-core, without anything else: it is run inside the page.
setup_axe() {
	dir=$cache/axe-core-$AXE_CORE
	[ -d "$dir" ] && return
	if ! have npm; then
		missing "axe-core $AXE_CORE" "npm is not installed, for example: apt-get install npm; run this script again"
		return
	fi
	fresh "$dir"
	if (cd "$dir.part" && quietly "$cache/axe.log" npm pack --silent "axe-core@$AXE_CORE") &&
		quietly "$cache/axe.log" tar -xzf "$dir.part/axe-core-$AXE_CORE.tgz" -C "$dir.part" --strip-components=1 package/axe.min.js package/LICENSE; then
		rm -f "$dir.part"/*.tgz
		done_with "$dir"
	else
		missing "axe-core $AXE_CORE" "npm must be able to download it; run this script again with network access"
	fi
}

# Prometheus' promtool, out of the Debian package and into a folder of its own: nothing is installed, and no service starts.
setup_promtool() {
	dir=$cache/promtool-$PROMETHEUS_DEB
	[ -x "$dir/promtool" ] && return
	how="with apt-get and dpkg, and access to the package prometheus; run this script again"
	if ! have apt-get || ! have dpkg; then
		missing promtool "$how"
		return
	fi
	fresh "$dir"
	# apt-get download works without root. Its lists may be too old, or lack this version.
	fetch() { (cd "$dir.part" && quietly "$cache/promtool.log" apt-get download "$1"); }
	fetch "prometheus=$PROMETHEUS_DEB" || {
		[ "$(id -u)" = 0 ] && quietly "$cache/apt.log" apt-get update
		fetch "prometheus=$PROMETHEUS_DEB" || fetch prometheus
	}
	for deb in "$dir.part"/*.deb; do quietly "$cache/promtool.log" dpkg -x "$deb" "$dir.part/root"; done
	if mv "$dir.part/root/usr/bin/promtool" "$dir.part/promtool" 2>/dev/null && "$dir.part/promtool" --version >/dev/null 2>&1; then
		rm -rf "$dir.part/root" "$dir.part"/*.deb
		done_with "$dir"
	else
		missing promtool "$how"
	fi
}

# The shells that complete our command lines, and what reads our man pages.
setup_shells() {
	lacking=
	for tool in zsh fish mandoc man; do have $tool || lacking="$lacking $tool"; done
	[ -e /usr/share/bash-completion/bash_completion ] || lacking="$lacking bash-completion"
	[ -n "$lacking" ] || return
	debs=$(echo "$lacking" | sed 's/ man$/ man-db/; s/ man / man-db /')
	if have apt-get && [ "$(id -u)" = 0 ]; then
		DEBIAN_FRONTEND=noninteractive
		export DEBIAN_FRONTEND
		# shellcheck disable=SC2086 # a list of words
		quietly "$cache/apt.log" apt-get install -y --no-install-recommends $debs ||
			{ quietly "$cache/apt.log" apt-get update && quietly "$cache/apt.log" apt-get install -y --no-install-recommends $debs; }
	fi
	for tool in zsh fish mandoc man; do have $tool || missing $tool "as root: apt-get install$debs"; done
	[ -e /usr/share/bash-completion/bash_completion ] || missing bash-completion "as root: apt-get install bash-completion"
}

# What judges the packages and the unit: rpm, systemd with its containers, setpriv, and a way to run a program under the unit's filter of system calls.
packaging_is_there() { have rpm && have systemd-analyze && have systemd-nspawn && have setpriv && /usr/bin/python3 -c 'import seccomp' 2>/dev/null; }

setup_packaging() {
	packaging_is_there && return
	if have apt-get && [ "$(id -u)" = 0 ]; then
		DEBIAN_FRONTEND=noninteractive
		export DEBIAN_FRONTEND
		set -- rpm systemd systemd-container util-linux python3 python3-seccomp
		quietly "$cache/apt.log" apt-get install -y --no-install-recommends "$@" ||
			{ quietly "$cache/apt.log" apt-get update && quietly "$cache/apt.log" apt-get install -y --no-install-recommends "$@"; }
	fi
	packaging_is_there || missing "rpm, systemd-analyze, systemd-nspawn, setpriv or python3-seccomp" "as root: apt-get install rpm systemd systemd-container util-linux python3 python3-seccomp"
}

java_is_there() {
	have java || {
		missing "Java 17 or newer (for $1)" "install a JRE, for example: apt-get install openjdk-17-jre-headless"
		return 1
	}
}

maven() { # maven LOG ARGS...
	log=$1
	shift
	if ! have mvn; then
		echo "components: mvn (Apache Maven) is not installed, for example: apt-get install maven" >&2
		return 1
	fi
	quietly "$log" mvn -B -q -f "$here/pom.xml" "-Dkafka.version=$KAFKA" "-Dscala.version=$SCALA" "$@"
}

setup_kafka() {
	dir=$cache/kafka-$KAFKA
	java_is_there Kafka || return
	[ -d "$dir" ] && return
	fresh "$dir"
	if maven "$cache/kafka.log" "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" \
		"-DoutputDirectory=$dir.part/libs"; then
		done_with "$dir"
	else
		missing "Apache Kafka $KAFKA" "mvn must be able to download org.apache.kafka:kafka_$SCALA:$KAFKA; run this script again with network access"
	fi
}

setup_jdk() {
	have javac || missing "a Java compiler" "install a JDK, for example: apt-get install openjdk-17-jdk-headless"
}

setup_registry() {
	dir=$cache/apicurio-$APICURIO
	java_is_there "the registry" || return
	[ -d "$dir" ] && return
	fresh "$dir"
	artifact=io.apicurio:apicurio-registry-app:$APICURIO:tar.gz:all
	if maven "$cache/apicurio.log" "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN:copy" \
		"-Dartifact=$artifact" "-DoutputDirectory=$dir.part" &&
		quietly "$cache/apicurio.log" tar -xzf "$dir.part/apicurio-registry-app-$APICURIO-all.tar.gz" -C "$dir.part"; then
		rm -f "$dir.part"/*.tar.gz
		done_with "$dir"
	else
		missing "Apicurio Registry $APICURIO" "mvn must be able to download $artifact; run this script again with network access"
	fi
}

setup_python() {
	dir=$cache/python-$CONFLUENT_KAFKA-$FASTAVRO
	[ -d "$dir" ] && return
	if ! have python3; then
		missing "Python 3.9 or newer" "install python3 with its venv module"
		return
	fi
	# Moving a venv breaks only the first line of its bin/ scripts; the tests call bin/python itself.
	rm -rf "$dir.part"
	if quietly "$cache/python.log" python3 -m venv "$dir.part" &&
		quietly "$cache/python.log" "$dir.part/bin/python" -m pip install --no-input \
			"confluent-kafka[avro,schemaregistry]==$CONFLUENT_KAFKA" "fastavro==$FASTAVRO"; then
		done_with "$dir"
	else
		missing "Python readers" "pip must be able to install confluent-kafka==$CONFLUENT_KAFKA and fastavro==$FASTAVRO; run this script again with network access"
	fi
}

setup_nginx
setup_nginx_lua
for suite in $NEWER_NGINX; do setup_newer_nginx "$suite"; done
setup_logrotate
setup_promtool
setup_shells
setup_packaging
setup_kafka
setup_jdk
setup_registry
setup_python
setup_browser
setup_axe
exit $failed
