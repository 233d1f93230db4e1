//! `[web]` as it was read -> as it can be used.
//!
//! In: the section. Out: where to listen and whom to tell, or what makes no sense. Never: a file read, a name looked up,
//! or an address beyond loopback without a token.

use super::check::{Check, unless_empty};
use super::settings;
use super::{WebConfig, WebhookConfig};

impl Check<'_> {
    /// `Some(None)`: not wanted. `None` only together with problems.
    pub(super) fn web(&mut self, web: &settings::Web) -> Option<Option<WebConfig>> {
        self.number("web.thumbnail_bytes", web.thumbnail_bytes, 1 << 20..=1 << 44);
        let token_file = unless_empty(&web.token_file);
        if web.enabled && !web.listen.ip().is_loopback() && token_file.is_none() {
            self.problem(
                "web.listen",
                format!("{:?}", web.listen.to_string()),
                "others can reach this address, so that web.token_file must name a file with a token; or listen on 127.0.0.1",
            );
        }
        for host in &web.hosts {
            if host.is_empty() || host.contains(['/', ':', ' ']) {
                self.problem(
                    "web.hosts",
                    format!("{host:?}"),
                    "must be a host's name alone, such as \"tags.shop.example\", without scheme and port",
                );
            }
        }
        let webhook = self.webhook(web)?;
        Some(web.enabled.then(|| WebConfig {
            listen: web.listen,
            token_file,
            hosts: web.hosts.iter().map(|host| host.to_lowercase()).collect(),
            thumbnail_bytes: web.thumbnail_bytes,
            webhook,
        }))
    }

    fn webhook(&mut self, web: &settings::Web) -> Option<Option<WebhookConfig>> {
        if web.webhook_url.is_empty() {
            return Some(None);
        }
        let has_scheme = ["http://", "https://"]
            .iter()
            .any(|scheme| web.webhook_url.starts_with(scheme));
        if !has_scheme {
            self.problem(
                "web.webhook_url",
                format!("{:?}", web.webhook_url),
                "must begin with http:// or https://",
            );
            return None;
        }
        let Some(secret_file) = unless_empty(&web.webhook_secret_file) else {
            self.problem(
                "web.webhook_secret_file",
                "\"\"".into(),
                "must name a file with the key that signs what is posted to web.webhook_url",
            );
            return None;
        };
        Some(Some(WebhookConfig {
            url: web.webhook_url.clone(),
            secret_file,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Sources};

    fn with(web: &str) -> Result<Config, String> {
        Config::from_sources(&Sources {
            file: Some(("shop.toml".into(), format!("[web]\n{web}"))),
            ..Sources::default()
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn what_others_can_reach_demands_a_token() {
        for (web, problem) in [
            ("listen = '127.0.0.1:1'", None),
            ("listen = '[::1]:1'", None),
            ("listen = '0.0.0.0:1'", Some("web.listen")),
            ("listen = '192.168.1.2:1'", Some("web.token_file must name")),
            ("listen = '0.0.0.0:1'\ntoken_file = '/t'", None),
            ("listen = '0.0.0.0:1'\nenabled = false", None),
            ("hosts = ['http://x']", Some("web.hosts")),
            ("webhook_url = 'x'", Some("must begin with http")),
            ("webhook_url = 'https://x'", Some("web.webhook_secret_file")),
            ("webhook_url = 'https://x'\nwebhook_secret_file = '/s'", None),
            ("thumbnail_bytes = 1", Some("web.thumbnail_bytes")),
        ] {
            match (with(web), problem) {
                (Ok(_), None) => {}
                (Err(message), Some(problem)) => assert!(message.contains(problem), "{web}: {message}"),
                (got, _) => panic!("{web}: {got:?}"),
            }
        }
    }

    #[test]
    fn pages_can_be_switched_off() {
        assert!(with("").unwrap().web.is_some());
        assert!(with("enabled = false").unwrap().web.is_none());
    }
}
