//! What the story asks tills and head office over their published HTTP interfaces, as anybody else would.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// One server and a token for it.
#[derive(Debug, Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    token: String,
}

/// An answer: the status and the JSON body (`null` where there is none).
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Value,
}

impl Api {
    /// Talks to `base` with a bearer token.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(base: &str, token: &str) -> anyhow::Result<Self> {
        let client =
            reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build().context("no HTTP client")?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token: token.trim().to_owned() })
    }

    /// Talks to `base` over TLS, trusting one root certificate (PEM) and no other.
    ///
    /// # Errors
    /// When it is no certificate.
    pub fn trusting(base: &str, token: &str, root: &[u8]) -> anyhow::Result<Self> {
        let root = reqwest::Certificate::from_pem(root).context("no certificate")?;
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .tls_certs_only([root])
            .build()
            .context("no HTTP client")?;
        Ok(Self { client, ..Self::new(base, token)? })
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The token it speaks with.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// `GET`, whatever the status.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    /// `POST` with a body and an idempotency key (none where it is empty), whatever the status.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Answer> {
        let mut request = self.client.post(format!("{}{path}", self.base)).json(body);
        if !key.is_empty() {
            request = request.header("Idempotency-Key", key);
        }
        self.send(request).await
    }

    /// `GET` that must succeed.
    ///
    /// # Errors
    /// When no answer comes, or one other than 200.
    pub async fn read(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get(path).await?;
        if answer.status != 200 {
            bail!("GET {path} answered {}: {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    /// `POST` that must succeed.
    ///
    /// # Errors
    /// When no answer comes, or one outside 2xx.
    pub async fn call(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.post(path, key, body).await?;
        if !(200..300).contains(&answer.status) {
            bail!("POST {path} answered {}: {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    /// All items of a list, page by page.
    ///
    /// # Errors
    /// As [`Self::read`], or when a page is no page.
    pub async fn all(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let mut page = self.read(&format!("{path}{separator}limit=500{after}")).await?;
            let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) else {
                bail!("{path} gives no list: {page}")
            };
            items.extend(more);
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
            }
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let answer =
            request.bearer_auth(&self.token).send().await.with_context(|| format!("{} does not answer", self.base))?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.with_context(|| format!("{} broke off its answer", self.base))?;
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into())
        };
        Ok(Answer { status, body })
    }
}
