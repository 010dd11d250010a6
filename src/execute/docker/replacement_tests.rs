use super::*;

fn old() -> Container {
    Container::new(json!({
        "Id": "0123456789abcdef", "Name": "/api", "Image": "sha256:old",
        "Config": {
            "Hostname": "0123456789ab", "Image": "app:v2", "Env": ["PATH=/bin", "A=1", "B=2"], "Cmd": ["serve"],
            "Entrypoint": ["/init"], "WorkingDir": "/srv", "Labels": {"own": "x", "image": "y"}, "Unheard": {"of": true},
            "Volumes": {"/data": {}},
        },
        "HostConfig": {
            "NetworkMode": "front", "Binds": ["named:/named:ro"], "Memory": 7, "RestartPolicy": {"Name": "no"},
            "Links": ["/db:/api/database"], "Mounts": [{"Type": "volume", "Target": "/anonymous"}],
        },
        "Mounts": [
            {"Type": "volume", "Name": "named", "Destination": "/named", "RW": false},
            {"Type": "volume", "Name": "aaaa", "Destination": "/data", "RW": true},
            {"Type": "volume", "Name": "bbbb", "Destination": "/anonymous", "RW": true},
            {"Type": "bind", "Source": "/etc/x", "Destination": "/x"},
        ],
        "NetworkSettings": {"Networks": {
            "front": {"Aliases": ["web", "0123456789ab"], "IPAMConfig": {"IPv4Address": "10.0.0.7"}, "IPAddress": "10.0.0.7"},
            "back": {"Aliases": null},
        }},
    }))
}

fn changes() -> Changes {
    Changes { image: "app:v2".into(), key: "k1".into(), replaces: "0123456789ab".into(), ..Changes::default() }
}

#[test]
fn everything_is_carried_over() {
    let made = replacement(&old(), &Changes { policy: Some(("always".into(), 0)), ..changes() });
    let body = &made.body;
    assert_eq!(body["Env"], json!(["PATH=/bin", "A=1", "B=2"]));
    assert_eq!((&body["Unheard"], &body["Hostname"]), (&json!({"of": true}), &Value::Null));
    assert_eq!(body["HostConfig"]["Binds"], json!(["named:/named:ro", "aaaa:/data"]));
    assert_eq!(body["HostConfig"]["Mounts"][0]["Source"], "bbbb");
    assert_eq!(body["HostConfig"]["Links"], json!(["db:database"]));
    assert_eq!(body["HostConfig"]["RestartPolicy"]["Name"], "always");
    assert_eq!(
        body["NetworkingConfig"]["EndpointsConfig"],
        json!({"front": {"Aliases": ["web"], "IPAMConfig": {"IPv4Address": "10.0.0.7"}}})
    );
    assert_eq!(made.networks, [("back".to_owned(), json!({"Aliases": []}))]);
    assert_eq!((&body["Labels"][LABEL_KEY], &body["Labels"]["own"]), (&json!("k1"), &json!("x")));
}

#[test]
fn another_image_gives_its_own_defaults() {
    let defaults = json!({
        "Env": ["PATH=/bin", "A=0"], "Cmd": ["serve"], "Entrypoint": ["/other"], "WorkingDir": "/srv", "Labels": {"image": "y"},
    });
    let made = replacement(&old(), &Changes { image: "app:v1".into(), old_defaults: Some(defaults), ..changes() });
    let body = &made.body;
    assert_eq!((&body["Image"], &body["Env"]), (&json!("app:v1"), &json!(["A=1", "B=2"])));
    assert_eq!(
        (&body["Cmd"], &body["Entrypoint"], &body["WorkingDir"]),
        (&Value::Null, &json!(["/init"]), &Value::Null)
    );
    assert_eq!(body["Labels"].get("image"), None);
}

#[test]
fn what_is_meant_to_differ_does() {
    let set = BTreeMap::from([("A".to_owned(), "9".to_owned()), ("C".to_owned(), "3".to_owned())]);
    let command = Some((json!(["/init"]), json!(["run"])));
    let made = replacement(&old(), &Changes { set, remove: vec!["B".into()], command, ..changes() });
    assert_eq!(made.body["Env"], json!(["PATH=/bin", "A=9", "C=3"]));
    assert_eq!(made.body["Cmd"], json!(["run"]));
}

#[test]
fn one_more_of_a_service_has_volumes_and_addresses_of_its_own() {
    let further = Some(labels_of_further(&old(), "api", 2));
    let made = replacement(&old(), &Changes { further, ..changes() });
    let body = &made.body;
    assert_eq!(body["HostConfig"]["Binds"], json!(["named:/named:ro"]));
    assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["front"], json!({"Aliases": ["web"]}));
    assert_eq!(body["Labels"][LABEL_SERVICE], "api");
}
