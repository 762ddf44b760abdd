import java.io.FileReader;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * What a broker of Amazon MSK does with a token of OAUTHBEARER, as far as AWS has said in public: the token is the base64url of a presigned URL, and the
 * signature (Signature Version 4) is computed again from the secret key and compared. The keys stand in a file, which is read for each
 * login: "AKID=SECRET", "AKID.token=SESSION TOKEN" and "region=REGION".
 */
public final class SignedUrlValidator implements AuthenticateCallbackHandler {
    private static final DateTimeFormatter AMZ = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final Set<String> UNSIGNED = Set.of("X-Amz-Signature", "User-Agent");
    private String file;

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> jaas) {
        file = System.getProperty("ngxtap.test.keys"); // not an option of the login module: Kafka's own handler would take those for its own
    }

    @Override
    public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
        for (Callback c : callbacks) {
            if (c instanceof OAuthBearerValidatorCallback v) {
                try {
                    v.token(validated(v.tokenValue()));
                } catch (IllegalArgumentException | GeneralSecurityException e) {
                    System.out.println("SignedUrlValidator: " + e.getMessage());
                    v.error("invalid_token", null, null);
                }
            } else if (c instanceof OAuthBearerExtensionsValidatorCallback e) {
                e.inputExtensions().map().keySet().forEach(e::valid);
            } else {
                throw new UnsupportedCallbackException(c);
            }
        }
    }

    private OAuthBearerToken validated(String value) throws IOException, GeneralSecurityException {
        Properties keys = new Properties();
        try (FileReader in = new FileReader(file, StandardCharsets.UTF_8)) {
            keys.load(in);
        }
        URI url = URI.create(new String(Base64.getUrlDecoder().decode(value), StandardCharsets.UTF_8));
        String region = keys.getProperty("region");
        expect("scheme", "https", url.getScheme());
        expect("host", "kafka." + region + ".amazonaws.com", url.getHost());
        expect("path", "/", url.getRawPath());
        TreeMap<String, String> query = new TreeMap<>(); // still encoded, as they are signed
        for (String pair : url.getRawQuery().split("&")) {
            String[] kv = pair.split("=", 2);
            if (query.put(kv[0], kv[1]) != null) {
                throw new IllegalArgumentException(kv[0] + " stands twice");
            }
        }
        expect("Action", "kafka-cluster%3AConnect", query.get("Action"));
        expect("algorithm", "AWS4-HMAC-SHA256", query.get("X-Amz-Algorithm"));
        expect("signed headers", "host", query.get("X-Amz-SignedHeaders"));
        if (!query.containsKey("User-Agent")) {
            throw new IllegalArgumentException("no User-Agent");
        }
        String date = query.get("X-Amz-Date");
        long start = Instant.from(AMZ.parse(date)).toEpochMilli();
        long seconds = Long.parseLong(query.get("X-Amz-Expires"));
        long now = System.currentTimeMillis();
        if (seconds < 1 || seconds > 900 || now < start - 300_000 || now > start + seconds * 1000) {
            throw new IllegalArgumentException("the URL is not valid now");
        }
        String[] scope = query.get("X-Amz-Credential").split("%2F"); // key, date, region, service, aws4_request
        String scoped = String.join("/", date.substring(0, 8), region, "kafka-cluster", "aws4_request");
        expect("scope", scope[0] + "/" + scoped, String.join("/", scope));
        String secret = keys.getProperty(scope[0]);
        if (secret == null) {
            throw new IllegalArgumentException("unknown access key");
        }
        String session = query.get("X-Amz-Security-Token");
        expect("session token", keys.getProperty(scope[0] + ".token", ""), session == null ? "" : java.net.URLDecoder.decode(session, StandardCharsets.UTF_8));
        StringBuilder canonical = new StringBuilder();
        query.forEach((k, v) -> {
            if (!UNSIGNED.contains(k)) {
                canonical.append(canonical.length() == 0 ? "" : "&").append(k).append('=').append(v);
            }
        });
        String request = "GET\n/\n" + canonical + "\nhost:" + url.getHost() + "\n\nhost\n" + hex(sha256(""));
        String toSign = "AWS4-HMAC-SHA256\n" + date + "\n" + scoped + "\n" + hex(sha256(request));
        byte[] key = ("AWS4" + secret).getBytes(StandardCharsets.UTF_8);
        for (String part : scoped.split("/")) {
            key = hmac(key, part);
        }
        expect("signature", hex(hmac(key, toSign)), query.get("X-Amz-Signature"));
        return new Signed(value, start, start + seconds * 1000);
    }

    private static void expect(String what, String want, String got) {
        if (!want.equals(got)) {
            throw new IllegalArgumentException(what + " is wrong");
        }
    }

    private static byte[] sha256(String s) throws GeneralSecurityException {
        return MessageDigest.getInstance("SHA-256").digest(s.getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] hmac(byte[] key, String s) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(s.getBytes(StandardCharsets.UTF_8));
    }

    private static String hex(byte[] b) {
        return HexFormat.of().formatHex(b);
    }

    @Override
    public void close() {
    }

    private record Signed(String value, Long startTimeMs, long lifetimeMs) implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }

        @Override
        public String principalName() {
            return "shop";
        }
    }
}
