"""The strategies that come with onebook, one a file; `strategies.MODULES` names them."""
