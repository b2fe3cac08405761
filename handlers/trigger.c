#include "handlers/trigger.h"

void mr_trigger_check(const struct mr_value *body, struct mr_faults *faults)
{
	const struct mr_value *config = mr_value_get(body, "trigger_config");
	const struct mr_value *enabled;
	struct mr_str type;

	if (config == NULL || config->kind != MR_VALUE_MAP)
		return;
	type = mr_value_get_str(config, "type");
	enabled = mr_value_get(config, "enabled");
	if (type.p != NULL && !mr_str_eqz(type, "manual") && !mr_str_eqz(type, "file_upload") &&
	    (enabled == NULL || enabled->kind != MR_VALUE_BOOL || enabled->b))
		mr_fault_add(faults, MR_STR("trigger_config.type"), "unsupported",
		    "must be manual or file_upload: this version serves no other trigger, unless "
		    "enabled is false");
}

struct mr_str mr_trigger_on_upload(const struct mr_value *body)
{
	const struct mr_value *given = mr_value_get(body, "trigger_on_file_upload");
	const struct mr_value *config = mr_value_get(body, "trigger_config");
	const struct mr_value *enabled;

	if (given != NULL && given->kind == MR_VALUE_BOOL)
		return given->b ? MR_STR("true") : MR_STR("false");
	if (config == NULL || !mr_str_eqz(mr_value_get_str(config, "type"), "file_upload"))
		return MR_STR("false");
	enabled = mr_value_get(config, "enabled");
	return enabled == NULL || enabled->kind != MR_VALUE_BOOL || enabled->b ? MR_STR("true")
	                                                                       : MR_STR("false");
}
