//! Which commands an environment's allow-list knows as read-only.

/// Programs that run whatever they are told to; no list can make them harmless.
const INTERPRETERS: [&str; 22] = [
    "sh", "bash", "ash", "dash", "zsh", "ksh", "fish", "busybox", "toybox", "env", "xargs", "sudo", "su", "nsenter",
    "chroot", "python", "python3", "perl", "ruby", "node", "awk", "eval",
];

/// Programs whose plain words are options or orders: `ps eww` shows environments, `date 0101` sets the clock. A `*` that
/// lets plain arguments pass would let these pass, so of them only whole commands are allowed.
const ORDERS: [&str; 26] = [
    "ps",
    "tar",
    "ar",
    "cpio",
    "dd",
    "date",
    "hostname",
    "domainname",
    "ip",
    "ifconfig",
    "route",
    "iptables",
    "sysctl",
    "mount",
    "umount",
    "service",
    "systemctl",
    "rc-service",
    "kill",
    "killall",
    "stty",
    "redis-cli",
    "psql",
    "mysql",
    "docker",
    "kubectl",
];

/// Whether `argv` is on the list. An entry matches a command that is exactly it; one that ends in `*` also allows
/// further plain arguments: no options, and no characters that a shell would act upon. It does not for programs that
/// take orders as plain words.
pub fn allowed(argv: &[String], list: &[Vec<String>]) -> bool {
    let Some(program) = argv.first() else { return false };
    let name = program.rsplit('/').next().unwrap_or(program);
    if INTERPRETERS.contains(&name) || argv.iter().any(|word| word.contains('\0')) {
        return false;
    }
    list.iter().any(|entry| match entry.split_last() {
        Some((last, prefix)) if last == "*" && !prefix.is_empty() => {
            !ORDERS.contains(&name)
                && argv.strip_prefix(prefix).is_some_and(|rest| rest.iter().all(|word| is_plain(word)))
        }
        _ => argv == entry.as_slice(),
    })
}

fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn only_what_is_listed_is_allowed() {
        let list = [words("cat /etc/hosts"), words("ls -l *"), words("sh *"), words("*")];
        for (command, expected) in [
            ("cat /etc/hosts", true),
            ("cat /etc/shadow", false),
            ("cat /etc/hosts /etc/shadow", false),
            ("ls -l", true),
            ("ls -l /data", true),
            ("ls -l --hyperlink", false),
            ("ls -l /data;reboot", false),
            ("ls /data", false),
            ("sh -c reboot", false),
            ("/bin/sh x", false),
            ("reboot", false),
        ] {
            assert_eq!(allowed(&words(command), &list), expected, "{command}");
        }
        assert!(!allowed(&[], &list));
    }

    #[test]
    fn plain_words_that_are_orders_pass_only_word_for_word() {
        let list = [words("ps *"), words("ps aux"), words("date *"), words("/sbin/ip *"), words("dd *")];
        for (command, expected) in [
            ("ps aux", true),
            ("ps", false),
            ("ps eww", false),
            ("ps auxe", false),
            ("date 010100002030", false),
            ("/sbin/ip link delete eth0", false),
            ("dd if=/dev/zero of=/data/file", false),
        ] {
            assert_eq!(allowed(&words(command), &list), expected, "{command}");
        }
    }

    #[test]
    fn the_shipped_list_only_looks() {
        let config = crate::config::Config::load(crate::config::Sources::built_in(), &Default::default()).unwrap();
        let list = &config.environments["local"].read_only_commands;
        for command in ["ps", "ps aux", "uptime", "id", "date", "df -h", "cat /etc/hosts", "uname -a"] {
            assert!(allowed(&words(command), list), "{command}");
        }
        for command in [
            "ps eww",
            "ps e",
            "ps aux e",
            "date 010100002030",
            "cat /proc/1/environ",
            "ls /proc/1",
            "ls -l /run/secrets",
            "df /data",
            "env",
            "printenv",
        ] {
            assert!(!allowed(&words(command), list), "{command}");
        }
    }
}
