//! proc-title-template: what `ps` shows, with variables in braces.

use super::Config;

const VARIABLES: [&str; 7] = ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];

pub(super) fn check(template: &str) -> Result<(), &'static str> {
    let known = expand(template, |name| VARIABLES.contains(&name).then(String::new)).is_some();
    known.then_some(()).ok_or("template format is invalid or contains unknown variables")
}

impl Config {
    /// The title of a process that was started as `program`.
    pub fn process_title(&self, program: &str, config_file: &str) -> String {
        let value = |name: &str| match name {
            "title" => program.into(),
            "listen-addr" => address(self),
            "port" => self.port.to_string(),
            "tls-port" => "0".into(),
            "unixsocket" => self.unixsocket.clone(),
            "config-file" if config_file.is_empty() => "-".into(),
            "config-file" => config_file.into(),
            _ => String::new(),
        };
        expand(&self.proc_title_template, |name| Some(value(name))).unwrap_or_default()
    }
}

/// `None` where the template is not one. Two braces stand for one that begins no variable.
fn expand(template: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            text.push('{');
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}')?;
        text.push_str(&value(name)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text.trim_end().to_owned())
}

fn address(config: &Config) -> String {
    if config.port == 0 {
        return format!("unixsocket:{}", config.unixsocket);
    }
    let first = config.bind.first().map_or("*", |address| address.trim_start_matches('-'));
    format!("{first}:{}", config.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let mut config = Config { port: 7000, bind: vec!["127.0.0.1".into()], ..Config::default() };
        let mut title = |template: &str| {
            config.proc_title_template = template.into();
            config.process_title("fluidB-server", "/etc/a.conf")
        };
        assert_eq!(title("{title} {listen-addr} {server-mode}"), "fluidB-server 127.0.0.1:7000");
        assert_eq!(title("{{port} {port}/{tls-port} {config-file}"), "{port} 7000/0 /etc/a.conf");
        assert!(check("{no}").is_err() && check("{port").is_err() && check("{config-file}").is_ok());
    }
}
