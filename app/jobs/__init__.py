"""What pages start: commands of onebook in processes of their own, followed and cancelled through files."""
