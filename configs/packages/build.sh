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
# (Manual pages and completions, once there are any: put 0644 usr/share/man/man1 …)
find "$STAGE" -exec touch -h -d "@$EPOCH" {} +

for kind in deb rpm; do
	$go run "$nfpm" package --config configs/packages/nfpm.yaml --packager $kind --target "$dist/" >&2
done
