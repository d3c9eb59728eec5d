"""Ground floor: functions of tensors. No modules, no configuration, no files."""
