//! `cache`: a line-based key-value store. `SET key value`, `GET key`, `PING`.

use super::serve;
use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
};

/// Keys held; more are refused.
const MOST_KEYS: usize = 1_000;

/// A connection may say this much.
const LONGEST: u64 = 64 << 10;

type Store = Arc<Mutex<BTreeMap<String, String>>>;

pub(super) fn run() -> io::Result<()> {
    let store = Store::default();
    serve("cache", move |stream| talk(&stream, &store))
}

fn talk(stream: &TcpStream, store: &Store) -> io::Result<()> {
    let mut out = stream;
    for line in BufReader::new(stream.take(LONGEST)).lines() {
        let answer = answer(&line?, store);
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn answer(line: &str, store: &Store) -> String {
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    let words: Vec<&str> = line.splitn(3, ' ').collect();
    match words.as_slice() {
        ["PING"] => "PONG".into(),
        ["GET", key] => store.get(*key).cloned().unwrap_or_default(),
        ["SET", key, _] if store.len() >= MOST_KEYS && !store.contains_key(*key) => "ERR full".into(),
        ["SET", key, value] => {
            store.insert((*key).to_owned(), (*value).to_owned());
            "OK".into()
        }
        _ => "ERR unknown command".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_got() {
        let store = Store::default();
        assert_eq!(answer("PING", &store), "PONG");
        assert_eq!(answer("SET a b c", &store), "OK");
        assert_eq!(answer("GET a", &store), "b c");
        assert_eq!(answer("GET b", &store), "");
        assert_eq!(answer("DROP", &store), "ERR unknown command");
    }
}
