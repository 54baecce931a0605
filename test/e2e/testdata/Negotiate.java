import com.sun.security.auth.module.Krb5LoginModule;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.PrivilegedExceptionAction;
import java.util.Map;
import javax.security.auth.Subject;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.Configuration;
import javax.security.auth.login.LoginContext;
import javax.security.auth.login.LoginException;

/** Logs in as a principal with the password from standard input, and prints what a URL says to who negotiates. */
public class Negotiate {
    public static void main(String[] args) throws Exception {
        char[] password = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).readLine().toCharArray();
        Configuration configuration = new Configuration() {
            public AppConfigurationEntry[] getAppConfigurationEntry(String name) {
                return new AppConfigurationEntry[] {new AppConfigurationEntry(Krb5LoginModule.class.getName(),
                    AppConfigurationEntry.LoginModuleControlFlag.REQUIRED, Map.of("principal", args[0]))};
            }
        };
        LoginContext login = new LoginContext("negotiate", new Subject(), callbacks -> {
            for (Callback each : callbacks) {
                if (each instanceof PasswordCallback asked) {
                    asked.setPassword(password);
                }
            }
        }, configuration);
        try {
            login.login();
        } catch (LoginException refused) {
            System.err.println(refused.getMessage());
            System.exit(1);
        }
        System.out.println(Subject.doAs(login.getSubject(), (PrivilegedExceptionAction<String>) () -> {
            try (var in = URI.create(args[1]).toURL().openStream()) {
                return new String(in.readAllBytes(), StandardCharsets.UTF_8);
            }
        }));
    }
}
