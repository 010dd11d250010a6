//! What is shown as the command of a recreation.

use super::Rig;
use crate::support::stage::{IMAGE, Stage, docker_ok};
use oncalld::domain::ActCall;
use oncalld::execute::{Executor as _, NativeCall};
use serde_json::json;

#[tokio::test]
async fn the_shown_command_has_what_changes_and_no_secret() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let options = ["--env", "API_SECRET=hunter2hunter2", "--env", "DEBUG=1", "--memory", "64m", "--restart", "always"];
    assert!(stage.run("api", &options, &["sleep", "600"]).ok);
    let api = stage.unique("api");
    let id = docker_ok(&["inspect", "--format", "{{.Id}}", &api]);
    let with = json!({"container": id, "key": "k", "restore": ["URL"], "set": {"LEVEL": "warn"}, "remove": ["DEBUG"], "from": "declared"});
    let call = ActCall::decode("container.recreate", serde_json::from_value(with).expect("fields")).expect("a call");
    let command = rig.environment.command(NativeCall::Act(&call)).await.expect("a command");
    let wanted = format!(
        "docker rename {api} {api}-k && docker stop {api}-k && docker run --detach --name {api} --restart always \
         --memory 64MiB --env LEVEL=warn --env URL --env API_SECRET {IMAGE} sleep 600 \
         # URL as declared, without DEBUG, all else as docker inspect {api}-k has it"
    );
    assert_eq!(command, wanted);
}
