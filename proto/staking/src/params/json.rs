//! The JSON that the API gives for parameters: every field, both caps, 0 where one is not set.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Field, GlobalParams, VersionParams};

impl Serialize for GlobalParams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut root = serializer.serialize_struct("GlobalParams", 1)?;
        root.serialize_field("versions", &self.versions)?;
        root.end()
    }
}

impl Serialize for VersionParams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys: Vec<String> = self.covenant_pks.iter().map(ToString::to_string).collect();
        let mut fields = serializer.serialize_struct("VersionParams", Field::ALL.len())?;
        for field in Field::ALL {
            let name = field.name();
            match field {
                Field::Version => fields.serialize_field(name, &self.version),
                Field::ActivationHeight => fields.serialize_field(name, &self.activation_height),
                Field::StakingCap => fields.serialize_field(name, &self.cap.value().to_sat()),
                Field::CapHeight => fields.serialize_field(name, &self.cap.height()),
                Field::Tag => fields.serialize_field(name, &self.tag.to_string()),
                Field::CovenantPks => fields.serialize_field(name, &keys),
                Field::CovenantQuorum => fields.serialize_field(name, &self.covenant.quorum()),
                Field::UnbondingTime => fields.serialize_field(name, &self.unbonding_time),
                Field::UnbondingFee => fields.serialize_field(name, &self.unbonding_fee.to_sat()),
                Field::MaxStakingAmount => {
                    fields.serialize_field(name, &self.max_staking_amount.to_sat())
                }
                Field::MinStakingAmount => {
                    fields.serialize_field(name, &self.min_staking_amount.to_sat())
                }
                Field::MaxStakingTime => fields.serialize_field(name, &self.max_staking_time),
                Field::MinStakingTime => fields.serialize_field(name, &self.min_staking_time),
                Field::ConfirmationDepth => fields.serialize_field(name, &self.confirmation_depth),
            }?;
        }
        fields.end()
    }
}
