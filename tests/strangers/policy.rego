package policy

api_version := "0.10.0"

allow_all := true
