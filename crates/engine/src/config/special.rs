//! The directives that have a form of their own.

use super::{BufferLimit, Config, Master, SavePoint};
use crate::config::directive::{Special, within};
use crate::notifications::{parse_classes, print_classes};
use stdx::{bytes_of, parse_i64, parse_memory_size, parse_u64, quote_word};

const WRONG_NUMBER: &str = "wrong number of arguments";

pub(super) const BIND: Special = Special {
    set: |config, words, _| {
        const MAX_ADDRESSES: usize = 16;
        if words.len() > MAX_ADDRESSES {
            return Err("Too many bind addresses specified.".into());
        }
        config.bind = words.iter().filter(|word| !word.is_empty()).cloned().collect();
        Ok(())
    },
    lines: |config| vec![config.bind.clone()],
};

/// The save points of several lines add up, until an empty one drops them.
pub(super) const SAVE: Special = Special {
    set: |config, words, first| {
        const ERROR: &str = "Invalid save parameters";
        if words.len() % 2 != 0 {
            return Err(ERROR.into());
        }
        let mut points = Vec::new();
        for pair in words.chunks(2) {
            let number = |word: &String, min| parse_u64(word.as_bytes()).filter(|number| *number >= min).ok_or(ERROR);
            points.push(SavePoint { seconds: number(&pair[0], 1)?, changes: number(&pair[1], 0)? });
        }
        if first || words.is_empty() {
            config.save.clear();
        }
        config.save.extend(points);
        Ok(())
    },
    lines: |config| {
        config.save.iter().map(|point| vec![point.seconds.to_string(), point.changes.to_string()]).collect()
    },
};

/// Every line names a master; which of them count depends on `multi-master`, and is decided when all lines are read.
pub(super) const REPLICAOF: Special = Special {
    set: |config, words, first| {
        if first || words.is_empty() {
            config.replicaof.clear();
        }
        let [host, port] = words else {
            return if words.is_empty() { Ok(()) } else { Err(WRONG_NUMBER.into()) };
        };
        if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") {
            config.replicaof.clear();
            return Ok(());
        }
        let port = parse_u64(port.as_bytes()).and_then(|port| u16::try_from(port).ok()).ok_or("Invalid master port")?;
        let master = Master { host: host.clone(), port };
        config.replicaof.retain(|known| *known != master);
        config.replicaof.push(master);
        Ok(())
    },
    lines: |config| config.replicaof.iter().map(|master| vec![master.host.clone(), master.port.to_string()]).collect(),
};

pub(super) const CLIENT_OUTPUT_BUFFER_LIMIT: Special = Special {
    set: |config, words, _| {
        if words.is_empty() || words.len() % 4 != 0 {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = config.client_output_buffer_limit;
        for words in words.chunks(4) {
            let class = match words[0].to_ascii_lowercase().as_str() {
                "normal" => &mut limits.normal,
                "slave" | "replica" => &mut limits.replica,
                "pubsub" => &mut limits.pubsub,
                _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
            };
            let parse = || {
                Some(BufferLimit {
                    hard: parse_memory_size(words[1].as_bytes())?,
                    soft: parse_memory_size(words[2].as_bytes())?,
                    soft_seconds: parse_u64(words[3].as_bytes())?,
                })
            };
            *class = parse().ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
        }
        config.client_output_buffer_limit = limits;
        Ok(())
    },
    lines: |config| {
        let limits = &config.client_output_buffer_limit;
        [("normal", limits.normal), ("slave", limits.replica), ("pubsub", limits.pubsub)]
            .map(|(class, limit)| {
                let numbers = [limit.hard, limit.soft, limit.soft_seconds].map(|number| number.to_string());
                [&[class.to_string()], &numbers[..]].concat()
            })
            .to_vec()
    },
};

pub(super) const OOM_SCORE_ADJ_VALUES: Special = Special {
    set: |config, words, _| {
        let [master, replica, child] = words else { return Err(WRONG_NUMBER.into()) };
        let mut values = [0; 3];
        for (value, word) in values.iter_mut().zip([master, replica, child]) {
            *value = parse_i64(word.as_bytes())
                .filter(|value| (-2000..=2000).contains(value))
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
        }
        config.oom_score_adj_values = values;
        Ok(())
    },
    lines: |config| vec![config.oom_score_adj_values.map(|value| value.to_string()).to_vec()],
};

pub(super) const LATENCY_PERCENTILES: Special = Special {
    set: |config, words, _| {
        let mut percentiles = Vec::new();
        for word in words {
            let percentile =
                stdx::parse_f64(word.as_bytes()).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&percentile) {
                return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
            }
            percentiles.push(percentile);
        }
        config.latency_tracking_info_percentiles = percentiles;
        Ok(())
    },
    lines: |config| vec![config.latency_tracking_info_percentiles.iter().map(f64::to_string).collect()],
};

/// What is out of range is brought into it, and shows so.
pub(super) const HZ: Special = Special {
    set: |config, words, _| {
        let [hz] = words else { return Err(WRONG_NUMBER.into()) };
        let hz = parse_i64(hz.as_bytes()).ok_or("argument couldn't be parsed into an integer")?;
        config.hz = within(hz, 0, i64::from(i32::MAX))?.clamp(1, 500) as u32;
        Ok(())
    },
    lines: |config| vec![vec![config.hz.to_string()]],
};

pub(super) const NOTIFY_KEYSPACE_EVENTS: Special = Special {
    set: |config, words, _| {
        if words.len() > 1 {
            return Err(WRONG_NUMBER.into());
        }
        let classes = parse_classes(&words.concat());
        config.notify_keyspace_events = classes.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        Ok(())
    },
    lines: |config| vec![vec![print_classes(config.notify_keyspace_events)]],
};

/// Directives that may stand on many lines, whose words are kept for whoever asks.
macro_rules! list {
    ($field:ident, $words:pat => $error:expr) => {
        Special {
            set: |config, words, first| {
                if first {
                    config.$field.clear();
                }
                if words.is_empty() {
                    return Ok(());
                }
                if !matches!(words, $words) {
                    return Err($error.into());
                }
                config.$field.push(words.to_vec());
                Ok(())
            },
            lines: |config| config.$field.clone(),
        }
    };
}

pub(super) const USER: Special = list!(users, [_, ..] => WRONG_NUMBER);
const RENAMED: Special = list!(rename_command, [_, _] => WRONG_NUMBER);
pub(super) const RENAME_COMMAND: Special = Special {
    set: |config, words, first| {
        (RENAMED.set)(config, words, first)?;
        crate::table::check_new_names(&config.rename_command)
    },
    ..RENAMED
};
pub(super) const LOADMODULE: Special = list!(loadmodule, [_, ..] => WRONG_NUMBER);

/// Words on one line, quoted where they have to be.
pub(super) fn join_words(words: &[String]) -> String {
    words.iter().map(|word| quote_if_needed(word)).collect::<Vec<_>>().join(" ")
}

pub(super) fn quote_if_needed(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'#');
    match !word.is_empty() && word.bytes().all(plain) {
        true => word.to_string(),
        false => quote_word(&bytes_of(word)),
    }
}

/// What `Config` holds in fields of its own.
impl Config {
    pub(super) fn special_value(&self, special: &Special) -> String {
        (special.lines)(self).concat().join(" ")
    }
}
