//! docs/models.md: each configuration that it shows loads, and what it configures can be asked.

use super::{chains, question};
use crate::model::scripted::{Reply, Scripted};
use crate::support::source::root;
use oncalld::{
    config::{Config, Provider, Sources, prompt_scope},
    domain::AgentRole,
    expr::Template,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn page() -> String {
    std::fs::read_to_string(root().join("docs/models.md")).expect("a page")
}

fn load(block: &str) -> Config {
    let mut sources = Sources::built_in();
    sources.0.insert("config/agents.yml".into(), block.to_owned());
    let secrets = ["OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "ANTHROPIC_API_KEY", "/run/secrets/gateway"];
    let secrets = secrets.map(|name| (name.to_owned(), "s3cret\n".to_owned()));
    Config::load(sources, &BTreeMap::from(secrets)).unwrap_or_else(|problems| panic!("{block}\n{problems}"))
}

#[tokio::test]
async fn each_configuration_of_the_page_works() {
    crate::support::http::install_tls();
    let page = page();
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().expect("its end")).collect();
    let mut providers = BTreeSet::new();
    for block in &blocks {
        let mut agents = load(block).agents;
        providers.extend(agents.models.values().map(|model| format!("{:?}", model.provider)));
        // The same, but at a server that is here.
        let server = Scripted::with(|_, asked| match asked.line.as_str() {
            "POST /v1/messages" => Reply::anthropic("{}"),
            _ => Reply::openai("{}"),
        });
        for model in agents.models.values_mut() {
            let path = model.base_url.split('/').skip(3).map(|part| format!("/{part}")).collect::<String>();
            assert_eq!(path, if matches!(model.provider, Provider::Azure | Provider::Anthropic) { "" } else { "/v1" });
            model.base_url = format!("{}{path}", server.address());
        }
        let chains = chains(&agents).expect("clients");
        assert_eq!(chains.contains_key(&AgentRole::Planner), !agents.models.is_empty(), "{block}");
        for chain in chains.values() {
            let asked = chain.ask(&question(), oncalld::domain::TimeSpan::from_secs(60)).await;
            assert!(asked.answer.is_some() && asked.troubles.is_empty(), "{block}\n{}", asked.words());
        }
    }
    assert_eq!(blocks.len(), 8);
    assert_eq!(providers.into_iter().collect::<Vec<_>>(), ["Anthropic", "Azure", "Compatible", "Ollama", "OpenAi"]);
}

#[test]
fn a_prompt_may_use_what_the_page_lists_and_nothing_else() {
    let page = page();
    let table = page.split("## Prompts").nth(1).expect("a chapter");
    let names: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(names, ["environment", "kind", "target", "marker"]);
    let compiles =
        |name: &str| Template::compile(&Value::String(format!("${{{{ {name} }}}}")), &prompt_scope()).is_ok();
    assert!(names.iter().all(|name| compiles(name)));
    assert!(!["alert", "labels", "annotations", "title", "now"].into_iter().any(compiles));
}
