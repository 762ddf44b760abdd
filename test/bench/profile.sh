#!/usr/bin/env bash
# profile.sh BINARY BROKERS OUT: ship a million lines of test/gen and keep the profile of the processor time, for go build -pgo.
set -euo pipefail
bin=$(realpath "$1") brokers=$2 out=$(realpath -m "$3")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$(dirname "$0")/../.."
mkdir "$dir/sites.d"
go run ./test/gen -lines 1000000 -o "$dir/access.log"
for i in 1 2 3; do
	cat >"$dir/ngxtap.yaml" <<-Y
		instance: profile-$$-$i
		state_dir: $dir/state-$i
		kafka: {brokers: ['$brokers']}
	Y
	cat >"$dir/sites.d/bench.yaml" <<-Y
		site: profile
		access_log: {paths: ['$dir/access.log'], nginx_conf: '$PWD/testdata/bench/nginx.conf', format: bench}
	Y
	"$bin" run --once -c "$dir/ngxtap.yaml" --cpuprofile "$dir/$i.prof" 2>/dev/null >/dev/null
done
go tool pprof -proto "$dir"/*.prof >"$out" 2>/dev/null
ls -l "$out"
