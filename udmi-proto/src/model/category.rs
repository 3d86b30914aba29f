//! Categories and levels of status and log entries.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Serialize, Serializer};

use super::describe::{Describe, Document, Field, Kind, Shape};
use super::place::{leaf, natural, text};
use super::read::readable;

/// How grave an entry is (§3.4); a larger number is graver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Level(pub u16);

impl Level {
    /// Internal detail; not legal on the wire.
    pub const TRACE: Self = Self(50);
    /// Details of normal work.
    pub const DEBUG: Self = Self(100);
    /// Normal work.
    pub const INFO: Self = Self(200);
    /// Significant normal events: start, stop, a config in force.
    pub const NOTICE: Self = Self(300);
    /// Worth a look.
    pub const WARNING: Self = Self(400);
    /// Needs attention.
    pub const ERROR: Self = Self(500);
    /// Needs attention at once.
    pub const CRITICAL: Self = Self(600);
    /// The greatest level legal on the wire.
    pub const MAXIMUM: Self = Self(800);

    /// Says whether the level may be written.
    #[must_use]
    pub const fn is_legal(self) -> bool {
        self.0 >= Self::DEBUG.0 && self.0 <= Self::MAXIMUM.0
    }
}

impl Field for Level {
    const KIND: Kind = Kind::Integer;
}

/// The pattern of categories a device may make up for itself.
pub const DEVICE_PATTERN: &str = r"^device(\.[a-z]+((_[a-z]+))*)+$";

/// The longest category accepted, in bytes; upstream sets no bound.
pub const CATEGORY_BYTES_MAX: usize = 256;

macro_rules! categories {
    ($($(#[doc = $doc:expr])* $variant:ident = $text:literal at $level:ident),+ $(,)?) => {
        /// What an entry is about: one of 41 fixed names, or a name of the device's own (§3.5).
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Category {
            $($(#[doc = $doc])* $variant,)+
            /// A name of the device's own, such as `device.bus_driver.poll`.
            Device(DeviceCategory),
            /// A name that is not legal; never written.
            #[default]
            Unknown,
        }

        impl Category {
            /// The fixed names.
            pub const FIXED: &'static [Self] = &[$(Self::$variant),+];

            fn fixed(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The name on the wire; empty for `Unknown`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Device(name) => name.as_str(),
                    Self::Unknown => "",
                }
            }

            /// The level usual for the category when all is well, or the only one it is used at (§3.5).
            ///
            /// Config and blob steps that fail are written at [`Level::ERROR`] instead.
            #[must_use]
            pub const fn level(&self) -> Level {
                match self {
                    $(Self::$variant => Level::$level,)+
                    Self::Device(_) | Self::Unknown => Level::INFO,
                }
            }
        }
    };
}

categories! {
    /// The process started.
    SystemBaseStart = "system.base.start" at NOTICE,
    /// An orderly stop begins.
    SystemBaseShutdown = "system.base.shutdown" at NOTICE,
    /// The device is fully running.
    SystemBaseReady = "system.base.ready" at NOTICE,
    /// A config message arrived.
    SystemConfigReceive = "system.config.receive" at DEBUG,
    /// A config was read, or could not be.
    SystemConfigParse = "system.config.parse" at DEBUG,
    /// A config is in force, or could not be put in force.
    SystemConfigApply = "system.config.apply" at NOTICE,
    /// A local user came.
    SystemAuthLogin = "system.auth.login" at NOTICE,
    /// A local user left.
    SystemAuthLogout = "system.auth.logout" at NOTICE,
    /// A local user was turned away.
    SystemAuthFail = "system.auth.fail" at WARNING,
    /// The point works normally.
    PointsetPointNominal = "pointset.point.nominal" at INFO,
    /// The set value is in force.
    PointsetPointApplied = "pointset.point.applied" at INFO,
    /// A write is in progress.
    PointsetPointUpdating = "pointset.point.updating" at NOTICE,
    /// Something local overrides the set value.
    PointsetPointOverridden = "pointset.point.overridden" at WARNING,
    /// The point cannot be read or written.
    PointsetPointFailure = "pointset.point.failure" at ERROR,
    /// The config for the point cannot be used.
    PointsetPointInvalid = "pointset.point.invalid" at ERROR,
    /// About a local network.
    LocalnetNetwork = "localnet.network" at INFO,
    /// A local network link came up.
    LocalnetNetworkConnect = "localnet.network.connect" at NOTICE,
    /// A proxied device could not be attached.
    GatewaySetupAttach = "gateway.setup.attach" at ERROR,
    /// The target of a proxied device is missing or unusable.
    GatewayProxyTarget = "gateway.proxy.target" at WARNING,
    /// The field bus connection to a proxied device is troubled.
    GatewayProxyConnect = "gateway.proxy.connect" at ERROR,
    /// About a scan of one family.
    DiscoveryFamilyScan = "discovery.family.scan" at INFO,
    /// About one discovered device.
    DiscoveryDeviceEnumerate = "discovery.device.enumerate" at INFO,
    /// About one discovered point.
    DiscoveryPointDescribe = "discovery.point.describe" at INFO,
    /// About mapping; not used by devices.
    MappingDeviceApply = "mapping.device.apply" at INFO,
    /// About a blob.
    BlobsetBlob = "blobset.blob" at INFO,
    /// About the course of a blob update.
    BlobsetBlobUpdate = "blobset.blob.update" at INFO,
    /// A new blob was seen in the config.
    BlobsetBlobReceive = "blobset.blob.receive" at DEBUG,
    /// The download of a blob started or failed.
    BlobsetBlobFetch = "blobset.blob.fetch" at DEBUG,
    /// The verification of a blob started or failed.
    BlobsetBlobParse = "blobset.blob.parse" at DEBUG,
    /// The installation of a blob started or failed.
    BlobsetBlobApply = "blobset.blob.apply" at NOTICE,
    /// A blob update was called off.
    BlobsetBlobAbort = "blobset.blob.abort" at NOTICE,
    /// A blob update was undone.
    BlobsetBlobRollback = "blobset.blob.rollback" at NOTICE,
    /// Validation tools only: a message arrived.
    ValidationDeviceReceive = "validation.device.receive" at INFO,
    /// Validation tools only: a message against its schema.
    ValidationDeviceSchema = "validation.device.schema" at INFO,
    /// Validation tools only: the content of a message.
    ValidationDeviceContent = "validation.device.content" at INFO,
    /// Validation tools only: several findings.
    ValidationDeviceMultiple = "validation.device.multiple" at INFO,
    /// Validation tools only: a device that is not in the site model.
    ValidationDeviceExtra = "validation.device.extra" at INFO,
    /// Validation tools only: a report.
    ValidationSummaryReport = "validation.summary.report" at INFO,
    /// Validation tools only: the result of a sequence.
    ValidationFeatureSequence = "validation.feature.sequence" at INFO,
    /// Validation tools only: the schema result of a sequence.
    ValidationFeatureSchema = "validation.feature.schema" at INFO,
    /// Validation tools only: the result of a capability.
    ValidationFeatureCapability = "validation.feature.capability" at INFO,
}

/// A legal category name of a device's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceCategory(String);

impl DeviceCategory {
    /// The whole name, with its leading `device.`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CategoryError {
    /// Longer than [`CATEGORY_BYTES_MAX`].
    TooLong,
    /// Neither a fixed name nor of the form `device.name.other_name`.
    NotListed,
}

impl fmt::Display for CategoryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooLong => "category name is too long",
            Self::NotListed => "category name is not one that UDMI allows",
        })
    }
}

impl core::error::Error for CategoryError {}

impl Category {
    /// A category of the device's own, `device.<name>`; `Unknown` if the name is no legal one.
    #[must_use]
    pub fn device(name: &str) -> Self {
        Self::parse(&alloc::format!("device.{name}")).unwrap_or_default()
    }

    /// Finds the category of that name.
    ///
    /// ```
    /// use udmi_proto::model::category::{Category, Level};
    ///
    /// assert_eq!(Category::parse("system.config.apply"), Ok(Category::SystemConfigApply));
    /// assert_eq!(Category::parse("device.bus_driver.poll").unwrap().level(), Level::INFO);
    /// assert!(Category::parse("system.config").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`CategoryError`] if UDMI does not allow the name.
    pub fn parse(text: &str) -> Result<Self, CategoryError> {
        if let Some(fixed) = Self::fixed(text) {
            return Ok(fixed);
        }
        if text.len() > CATEGORY_BYTES_MAX {
            return Err(CategoryError::TooLong);
        }
        if !is_device_name(text) {
            return Err(CategoryError::NotListed);
        }
        Ok(Self::Device(DeviceCategory(text.to_owned())))
    }
}

/// Says whether the text follows [`DEVICE_PATTERN`].
fn is_device_name(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("device.") else { return false };
    rest.split(['.', '_']).all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

impl fmt::Display for Category {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Describe for Category {
    const DOCUMENT: &'static Document = &Document {
        name: Some("category"),
        doc: "What an entry is about: one of the fixed names, or a name of the device's own.",
        shape: Shape::Patterns(patterns),
    };
}

fn patterns() -> Vec<String> {
    let fixed = Category::FIXED.iter().map(|category| {
        let mut pattern = String::from("^");
        pattern.push_str(&category.as_str().replace('.', r"\."));
        pattern.push('$');
        pattern
    });
    fixed.chain([DEVICE_PATTERN.to_owned()]).collect()
}

impl Field for Category {
    const KIND: Kind = Kind::Document(Self::DOCUMENT);

    fn absent(&self) -> bool {
        *self == Self::Unknown
    }
}

impl Serialize for Category {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

leaf! {
    Level: "u16", |scalar| natural(scalar).map(Self);
    Category: "a category name", |scalar| text(scalar).map(|text| Self::parse(&text).unwrap_or_default());
}

readable!(Level, Category);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixed_name_reads_back() {
        assert_eq!(Category::FIXED.len(), 41);
        for category in Category::FIXED {
            assert_eq!(Category::parse(category.as_str()).as_ref(), Ok(category));
            assert!(category.level().is_legal());
        }
    }

    #[test]
    fn device_names_follow_the_pattern() {
        for good in ["device.log", "device.bus_driver.poll", "device.a_b_c"] {
            assert_eq!(Category::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "device",
            "device.",
            "device.a.",
            "device._a",
            "device.a__b",
            "device.a_",
            "device.A",
            "device.a1",
        ] {
            assert_eq!(Category::parse(bad), Err(CategoryError::NotListed), "{bad}");
        }
        let long = alloc::format!("device.{}", "a".repeat(CATEGORY_BYTES_MAX));
        assert_eq!(Category::parse(&long), Err(CategoryError::TooLong));
    }

    #[test]
    fn a_name_that_is_not_legal_is_tolerated_on_reading() {
        assert_eq!(serde_json::from_str::<Category>("\"system.config\"").unwrap(), Category::Unknown);
    }
}
