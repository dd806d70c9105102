//! Sizes that a publisher accepts.

use imagxp::limits::Limits as CoreLimits;
use pyo3::prelude::*;

/// Sizes in bytes and counts that a publisher accepts (PROTOCOL §14). What is above the protocol's cap is lowered to it.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits(pub(crate) CoreLimits);

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (*, payload_header = None, key_header = None, token = None, header_lines = None, header_bytes = None,
        string = None, resource = None, manifest = None, directory = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        payload_header: Option<usize>,
        key_header: Option<usize>,
        token: Option<usize>,
        header_lines: Option<usize>,
        header_bytes: Option<usize>,
        string: Option<usize>,
        resource: Option<usize>,
        manifest: Option<usize>,
        directory: Option<usize>,
    ) -> Self {
        let start = CoreLimits::DEFAULT;
        Self(
            start
                .with_payload_header(payload_header.unwrap_or(start.payload_header()))
                .with_key_header(key_header.unwrap_or(start.key_header()))
                .with_token(token.unwrap_or(start.token()))
                .with_header_lines(header_lines.unwrap_or(start.header_lines()))
                .with_header_bytes(header_bytes.unwrap_or(start.header_bytes()))
                .with_string(string.unwrap_or(start.string()))
                .with_resource(resource.unwrap_or(start.resource()))
                .with_manifest(manifest.unwrap_or(start.manifest()))
                .with_directory(directory.unwrap_or(start.directory())),
        )
    }

    /// Bytes of the base64 payload header.
    #[getter]
    fn payload_header(&self) -> usize {
        self.0.payload_header()
    }

    /// Bytes of the public-key header.
    #[getter]
    fn key_header(&self) -> usize {
        self.0.key_header()
    }

    /// Bytes of a visa or ad proof.
    #[getter]
    fn token(&self) -> usize {
        self.0.token()
    }

    /// Header lines in a request.
    #[getter]
    fn header_lines(&self) -> usize {
        self.0.header_lines()
    }

    /// Bytes of all header names and values together.
    #[getter]
    fn header_bytes(&self) -> usize {
        self.0.header_bytes()
    }

    /// Bytes of one string in a claim.
    #[getter]
    fn string(&self) -> usize {
        self.0.string()
    }

    /// Bytes of the claim's resource.
    #[getter]
    fn resource(&self) -> usize {
        self.0.resource()
    }

    /// Bytes of a manifest.
    #[getter]
    fn manifest(&self) -> usize {
        self.0.manifest()
    }

    /// Agents whose keys are cached.
    #[getter]
    fn directory(&self) -> usize {
        self.0.directory()
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}
