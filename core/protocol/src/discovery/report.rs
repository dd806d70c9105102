//! The report as JSON: the same structure in every language.

use super::preferences::{Preferences, PurposeReport};
use crate::json::{self, Object, Value};

impl Preferences {
    /// The report as RFC 8785 JSON:
    ///
    /// `{url, product_token, crawl: {allowed, line?, words?}, purposes: {PURPOSE: {state, advice, conditions, statements}},
    /// statements: [{source, name, at?, line?, scope: {agents, path?}, words, applies, terms: [[label, value]], says: {PURPOSE:
    /// allow|disallow}, conditions}], policies, licenses: [{url, source, name, line?, agents, applies, same_origin}], findings:
    /// [{level, source, line?, message}]}`
    pub fn to_json(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("url", self.url.clone());
        object.insert("product_token", self.product_token.clone());
        let mut crawl = Object::new();
        crawl.insert("allowed", self.crawl.allowed);
        if let Some(line) = self.crawl.line {
            crawl.insert("line", line);
            crawl.insert("words", self.crawl.words.clone());
        }
        object.insert("crawl", crawl);
        let mut purposes = Object::new();
        for report in &self.purposes {
            purposes.insert(report.purpose.as_str(), purpose(report));
        }
        object.insert("purposes", purposes);
        let list = |objects: Vec<Object<'static>>| objects.into_iter().map(Value::Object).collect::<Vec<_>>();
        object.insert("statements", list(self.statements.iter().map(|s| s.to_object()).collect()));
        object.insert("policies", list(self.policies.iter().map(|p| p.to_object()).collect()));
        object.insert("licenses", list(self.licenses.iter().map(|p| p.to_object()).collect()));
        object.insert("findings", list(self.findings.iter().map(|f| f.to_object()).collect()));
        json::object_to_canonical(&object)
    }
}

fn purpose(report: &PurposeReport) -> Object<'static> {
    let mut object = Object::new();
    object.insert("state", report.state.as_str());
    object.insert("advice", report.advice.as_str());
    object.insert("conditions", report.conditions.iter().cloned().map(Value::from).collect::<Vec<_>>());
    let places = report.statements.iter().filter_map(|place| u32::try_from(*place).ok()).map(Value::from);
    object.insert("statements", places.collect::<Vec<_>>());
    object
}
