#!/bin/sh
# Makes the deb and the rpm of bin/ngxtap, with its list of parts (SBOM), in dist/: make package. The same commit gives the same bytes.
#   VERSION  as bin/ngxtap says it: v1.2.3, v1.2.3-4-gabc1234 or, without a tag, a commit
#   EPOCH    the time of all files, in seconds since 1970: that of the commit
set -eu
cd "$(dirname "$0")/../.."
go=${GO:-go}
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0 # newer ones need a module that can't be had everywhere
binary=${BINARY:-bin/ngxtap}
dist=${DIST:-dist}

# 1.2.3+4.gabc1234 comes after 1.2.3, and 0~git20261128.abc1234 before any release.
PACKAGE_VERSION=$(printf %s "$VERSION" | sed -nE 's/^v?([0-9]+\.[0-9]+(\.[0-9]+)?)/\1/p' | sed -e 's/-/+/' -e 's/-/./g')
[ -n "$PACKAGE_VERSION" ] || PACKAGE_VERSION=0~git$(date -u -d "@$EPOCH" +%Y%m%d).$(printf %s "$VERSION" | tr -c 'A-Za-z0-9\n' .)
ARCH=$($go env GOARCH)
SOURCE_DATE_EPOCH=$EPOCH
STAGE=$dist/stage
HOMEPAGE=${HOMEPAGE:-}
MAINTAINER=${MAINTAINER:-the authors of ngxtap <ngxtap@example.org>} # whoever builds for others: set it
export PACKAGE_VERSION ARCH SOURCE_DATE_EPOCH STAGE HOMEPAGE MAINTAINER

rm -rf "$STAGE"
put() { # put MODE DIRECTORY FILE...
	mode=$1 dir=$STAGE/$2
	shift 2
	install -d -m 0755 "$dir" && install -m "$mode" "$@" "$dir/"
}
doc=usr/share/doc/ngxtap
put 0755 usr/bin "$binary"
put 0644 usr/lib/systemd/system configs/systemd/ngxtap.service
install -D -m 0644 configs/systemd/ngxtap.sysusers "$STAGE/usr/lib/sysusers.d/ngxtap.conf"
put 0644 $doc LICENSE configs/packages/copyright docs/*.md
put 0644 $doc/benchmarks docs/benchmarks/*.md
put 0644 $doc/decisions docs/decisions/*.md
# What pages link to beside each other is elsewhere than in the sources.
sed -i -e 's|](\.\./nginx/|](/usr/share/ngxtap/nginx/|' -e 's|](\.\./configs/ngxtap\.yaml|](/etc/ngxtap/ngxtap.yaml|' \
	-e 's|](\.\./configs/sites\.d/|](/etc/ngxtap/sites.d/|' -e 's|](\.\./configs/|](/usr/share/ngxtap/|' "$STAGE/$doc"/*.md
# What to put into nginx.conf to log all headers, and how to rotate (logrotate.conf).
kit=usr/share/ngxtap/nginx
put 0644 $kit nginx/README.md nginx/*.js nginx/*.conf
put 0644 $kit/lua nginx/lua/*
[ ! -e "$dist/sbom.cdx.json" ] || put 0644 $doc "$dist/sbom.cdx.json"
put 0644 usr/share/lintian/overrides configs/packages/lintian/ngxtap
gzip -9n >"$STAGE/$doc/changelog.gz" <<-EOT
	ngxtap ($PACKAGE_VERSION) unstable; urgency=medium

	  * Built from $VERSION.

	 -- $MAINTAINER  $(LC_ALL=C date -u -R -d "@$EPOCH")
EOT
# Man pages and completions come out of the program; one for another machine is built for this one first.
tool=$binary
if ! "$tool" version >/dev/null 2>&1; then
	tool=$dist/ngxtap-here
	GOOS= GOARCH= CGO_ENABLED=0 $go build -trimpath -ldflags "-X main.version=$VERSION" -o "$tool" ./cmd/ngxtap
fi
"$tool" man --dir "$STAGE/man"
for page in "$STAGE"/man/*; do
	install -d -m 0755 "$STAGE/usr/share/man/man${page##*.}"
	gzip -9n <"$page" >"$STAGE/usr/share/man/man${page##*.}/${page##*/}.gz"
	chmod 0644 "$STAGE/usr/share/man/man${page##*.}/${page##*/}.gz" # whatever the umask is
done
complete() { # complete SHELL FILE: where the shell looks by itself
	install -d -m 0755 "$STAGE/usr/share/${2%/*}"
	"$tool" completion "$1" >"$STAGE/usr/share/$2"
	chmod 0644 "$STAGE/usr/share/$2"
}
complete bash bash-completion/completions/ngxtap
complete zsh zsh/vendor-completions/_ngxtap # of Debian
complete zsh zsh/site-functions/_ngxtap     # of others
complete fish fish/vendor_completions.d/ngxtap.fish
# The JSON Schemas, and the examples that name them where they are then.
put 0644 usr/share/ngxtap/schema configs/schema/*.json
# For other machines: alert rules of Prometheus, the dashboard of Grafana, manifests of Kubernetes, and how to make an image.
put 0644 usr/share/ngxtap/prometheus configs/prometheus/ngxtap.rules.yaml
put 0644 usr/share/ngxtap/container configs/container/*
put 0644 usr/share/ngxtap/kubernetes configs/kubernetes/*.yaml
put 0644 usr/share/ngxtap/grafana configs/grafana/ngxtap.json
install -d -m 0755 "$STAGE/etc"
for example in ngxtap.yaml sites.d/shop.yaml.example; do
	sed '1s|=.*schema/|=/usr/share/ngxtap/schema/|' "configs/$example" >"$STAGE/etc/${example##*/}"
done
find "$STAGE" -exec touch -h -d "@$EPOCH" {} +

for kind in deb rpm; do
	$go run "$nfpm" package --config configs/packages/nfpm.yaml --packager $kind --target "$dist/" >&2
done
