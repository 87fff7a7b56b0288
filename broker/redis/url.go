package redis

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// ParseURL reads options from one line, for configuration files:
//
//	redis://[user:password@]host[:port][/database]
//	rediss://…                                              the same with TLS
//	redis+sentinel://[user:password@]host[:port],…/master[/database]
//	redis+cluster://[user:password@]host[:port],…
//	redis+unix:///path/of/socket[?db=n]
//
// with rediss+sentinel and rediss+cluster for TLS, and, after a question mark,
// ca, cert, key and server_name for its files, sentinel_user for sentinels with
// an ACL of their own, and prefix. No error repeats the line: it may hold a
// password.
func ParseURL(line string) (Options, error) {
	scheme, rest, ok := strings.Cut(line, "://")
	if !ok {
		return Options{}, errors.New("not of the form redis://host:port")
	}
	kind, secure := scheme, false
	if after, is := strings.CutPrefix(scheme, "rediss"); is {
		kind, secure = "redis"+after, true
	}
	// net/url knows one host only: the list of hosts is taken out first.
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	credentials, hosts, has := cutLast(authority, "@")
	if !has {
		credentials, hosts = "", authority
	}
	u, err := url.Parse("redis://" + credentials + "@host/" + path + "?" + query)
	if err != nil {
		return Options{}, errors.New("not a URL: a user name or password needs its special characters as %XX")
	}
	var o Options
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	if err := o.place(kind, hosts, strings.Trim(u.Path, "/")); err != nil {
		return Options{}, err
	}
	if err := o.tune(u.Query(), secure); err != nil {
		return Options{}, err
	}
	if _, err := o.settings(); err != nil {
		return Options{}, err
	}
	return o, nil
}

// cutLast is strings.Cut at the last separator: passwords may have one.
func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

const (
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
)

// place reads what the kinds of URL say differently: where Redis is.
func (o *Options) place(kind, hosts, path string) error {
	port, database := defaultPort, path
	switch kind {
	case "redis":
	case "redis+sentinel":
		port = defaultSentinelPort
		o.Sentinel.Master, database, _ = strings.Cut(path, "/")
		if o.Sentinel.Master == "" {
			return errors.New("the sentinels' master is not named: redis+sentinel://host/master")
		}
	case "redis+cluster":
		o.Cluster = true
	case "redis+unix":
		o.Addresses = []string{"/" + path}
		return nil
	default:
		return fmt.Errorf("scheme %q is none of redis, rediss, redis+sentinel, redis+cluster and redis+unix", kind)
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host == "" {
			return errors.New("no host is named")
		}
		if !strings.Contains(host, ":") || strings.HasSuffix(host, "]") { // an IPv6 address in brackets
			host += ":" + port
		}
		o.Addresses = append(o.Addresses, host)
	}
	if database == "" {
		return nil
	}
	number, err := strconv.Atoi(database)
	if err != nil {
		return fmt.Errorf("database %q is not a number", database)
	}
	o.Database = number
	return nil
}

// tune reads what stands behind the question mark.
func (o *Options) tune(query url.Values, secure bool) error {
	var files Files
	for key, values := range query {
		value := values[len(values)-1]
		switch key {
		case "ca":
			files.CA = value
		case "cert":
			files.Certificate = value
		case "key":
			files.Key = value
		case "server_name":
			files.ServerName = value
		case "sentinel_user":
			o.Sentinel.Username = value
		case "prefix":
			o.Prefix = value
		case "db":
			number, err := strconv.Atoi(value)
			if err != nil {
				return fmt.Errorf("database %q is not a number", value)
			}
			o.Database = number
		default:
			return fmt.Errorf("%q is none of ca, cert, key, server_name, sentinel_user, prefix and db", key)
		}
	}
	if !secure {
		if files != (Files{}) {
			return errors.New("ca, cert, key and server_name are for TLS: the scheme is then rediss")
		}
		return nil
	}
	config, err := files.TLS()
	o.TLS = config
	return err
}
