//! The bytes of requests and answers. Results stay borrowed from the answer until they are read
//! into their type, so that a block is never copied as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{RpcError, code};

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: &'static str,
    /// Its parameters, an array.
    pub(crate) params: Value,
}

impl Request {
    pub(crate) const fn new(method: &'static str, params: Value) -> Self {
        Self { method, params }
    }

    /// A call without parameters.
    pub(crate) const fn bare(method: &'static str) -> Self {
        Self { method, params: Value::Array(Vec::new()) }
    }
}

#[derive(Serialize)]
struct Frame<'a> {
    jsonrpc: &'static str,
    id: usize,
    method: &'a str,
    params: &'a Value,
}

/// The body of a single call.
pub(crate) fn single(method: &str, params: &Value) -> Vec<u8> {
    to_vec(&Frame { jsonrpc: "2.0", id: 0, method, params })
}

/// The body of a batch.
pub(crate) fn batch(requests: &[Request]) -> Vec<u8> {
    let frame = |(id, request): (usize, &Request)| {
        to_vec(&Frame { jsonrpc: "2.0", id, method: request.method, params: &request.params })
    };
    let frames: Vec<_> = requests.iter().enumerate().map(frame).collect();
    [b"[".as_slice(), &frames.join(b",".as_slice()), b"]"].concat()
}

fn to_vec(frame: &Frame<'_>) -> Vec<u8> {
    serde_json::to_vec(frame).expect("strings, numbers and JSON values can be written as JSON")
}

#[derive(Deserialize)]
struct Answer<'a> {
    id: Option<usize>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<CallError>,
}

/// bitcoind's own error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct CallError {
    /// Its code.
    pub(crate) code: i64,
    /// Its text.
    pub(crate) message: String,
}

impl CallError {
    pub(crate) fn of(self, method: &str) -> RpcError {
        let Self { code, message } = self;
        if code == code::WARM_UP {
            return RpcError::WarmUp(message);
        }
        RpcError::Call { method: method.into(), code, message }
    }
}

/// The result of one call: its JSON, or bitcoind's error.
pub(crate) type Reply<'a> = Result<&'a str, CallError>;

impl<'a> Answer<'a> {
    fn reply(self) -> Reply<'a> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.result.map_or("null", RawValue::get)),
        }
    }
}

/// Takes the answer to a single call apart.
pub(crate) fn parse_single<'a>(method: &str, body: &'a [u8]) -> Result<Reply<'a>, RpcError> {
    let answer: Answer<'a> = serde_json::from_slice(body).map_err(|e| malformed(method, e))?;
    match answer.reply() {
        Err(error) if error.code == code::WARM_UP => Err(error.of(method)),
        reply => Ok(reply),
    }
}

/// Takes the answer to a batch apart, into the order of the requests.
pub(crate) fn parse_batch<'a>(
    requests: &[Request],
    body: &'a [u8],
) -> Result<Vec<Reply<'a>>, RpcError> {
    let name = requests.first().map_or("batch", |request| request.method);
    if body.first() == Some(&b'{') {
        // An error about the batch as a whole.
        return match parse_single(name, body)? {
            Err(error) => Err(error.of(name)),
            Ok(_) => Err(malformed(name, "one result for a batch")),
        };
    }
    let answers: Vec<Answer<'a>> = serde_json::from_slice(body).map_err(|e| malformed(name, e))?;
    if answers.len() != requests.len() {
        let text = format!("{} results for {} calls", answers.len(), requests.len());
        return Err(malformed(name, text));
    }
    let mut replies: Vec<Option<Reply<'a>>> = requests.iter().map(|_| None).collect();
    for answer in answers {
        let slot = answer.id.and_then(|id| replies.get_mut(id));
        let slot = slot.ok_or_else(|| malformed(name, "a result for no call of this batch"))?;
        let reply = answer.reply();
        if let Err(error) = &reply
            && error.code == code::WARM_UP
        {
            return Err(error.clone().of(name));
        }
        *slot = Some(reply);
    }
    let replies: Option<Vec<_>> = replies.into_iter().collect();
    replies.ok_or_else(|| malformed(name, "two results for one call"))
}

/// Reads a reply into its type.
pub(crate) fn read<'a, T: Deserialize<'a>>(method: &str, reply: Reply<'a>) -> Result<T, RpcError> {
    let json = reply.map_err(|error| error.of(method))?;
    serde_json::from_str(json).map_err(|e| malformed(method, e))
}

/// An answer of another form.
pub(super) fn malformed(method: &str, reason: impl ToString) -> RpcError {
    RpcError::Malformed { method: method.into(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use serde_json::json;

    use super::*;

    fn two() -> [Request; 2] {
        [Request::bare("first"), Request::new("second", json!([7]))]
    }

    #[test]
    fn batch__should_number_its_calls() {
        let body: Value = serde_json::from_slice(&batch(&two())).expect("it is JSON");

        let expected = json!([
            {"jsonrpc": "2.0", "id": 0, "method": "first", "params": []},
            {"jsonrpc": "2.0", "id": 1, "method": "second", "params": [7]},
        ]);
        assert_eq!(body, expected);
    }

    #[test]
    fn parse_batch__should_put_results_into_the_order_of_the_calls() {
        let body = br#"[{"id":1,"error":{"code":-5,"message":"no"}},{"id":0,"result":null}]"#;

        let replies = parse_batch(&two(), body);

        let refused = CallError { code: -5, message: "no".into() };
        assert_eq!(replies, Ok(vec![Ok("null"), Err(refused)]));
    }

    #[test]
    fn parse_batch__should_refuse_answers_that_do_not_fit_the_calls() {
        let bodies: [&[u8]; 4] = [
            br#"[{"id":0,"result":1}]"#,
            br#"[{"id":0,"result":1},{"id":0,"result":1}]"#,
            br#"[{"id":0,"result":1},{"id":2,"result":1}]"#,
            br#"{"id":0,"result":1}"#,
        ];
        for body in bodies {
            let result = parse_batch(&two(), body);
            assert!(matches!(result, Err(RpcError::Malformed { .. })), "{result:?}");
        }
    }

    #[test]
    fn parse__should_tell_warm_up_from_errors() {
        let one = br#"{"result":null,"error":{"code":-28,"message":"Loading"},"id":0}"#;
        let batch = br#"[{"id":0,"result":1},{"id":1,"error":{"code":-28,"message":"Loading"}}]"#;

        assert_eq!(parse_single("first", one), Err(RpcError::WarmUp("Loading".into())));
        assert_eq!(parse_batch(&two(), batch), Err(RpcError::WarmUp("Loading".into())));
    }
}
