use v5.36;

# Addresses of the real world in the database of the real world, through a
# proxy that names them.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->nginx(<<'END');
    consent_store { server %%REDIS%%; connect_timeout 2s; timeout 2s; }
    consent_key_file %%KEYS%%;
    consent_geoip %%REALGEO%%;
    consent_document terms kind=accept version=1;
    consent_page /policy-update;
    consent_gate on;

    add_header X-Country $consent_country always;
    add_header X-Source $consent_country_source always;
    add_header X-Reason $consent_reason always;

    root %%ROOT%%;
    set_real_ip_from 127.0.0.1;

    server {
        listen 127.0.0.1:%%PORT%%;
        real_ip_header X-Real-IP;
        location /strict/ {
            consent_unknown_country gate;
            alias %%ROOT%%/;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_forwarded%%;
        real_ip_header X-Forwarded-For;
    }
END

# Universities and large providers: they stay where they are.
my @ADDRESSES = (
    [DE => '193.99.144.80', 'heise.de'],
    [DE => '141.20.1.1', 'a university in Berlin'],
    [DE => '5.1.83.10', 'a provider in Frankfurt'],
    [DE => '2a02:2e0:3fe:1001:302::', 'heise.de'],
    [DE => '2001:638::1', 'the network of German universities'],
    [IS => '130.208.165.1', 'the University of Iceland'],
    [IS => '194.144.1.1', 'a provider in Reykjavik'],
    [IS => '2a00:c88::1', 'a provider in Iceland'],
    [NO => '129.240.118.1', 'the University of Oslo'],
    [NO => '193.212.1.10', 'a provider in Norway'],
    [NO => '2001:700:100:1::1', 'the network of Norwegian universities'],
    [RE => '102.35.0.1', 'a provider in Saint-Denis'],
    [RE => '2a01:cb22::1', 'Orange in Reunion'],
    [GB => '212.58.244.1', 'the BBC', 'outside'],
    [GB => '2001:630::1', 'the network of British universities', 'outside'],
    [CH => '129.132.19.216', 'a university in Zurich', 'outside'],
    [CH => '195.186.1.110', 'a provider in Switzerland', 'outside'],
    [CH => '2001:620::1', 'the network of Swiss universities', 'outside'],
    [US => '8.8.8.8', 'a resolver that everyone knows', 'outside'],
    [US => '128.9.0.107', 'a university in California', 'outside'],
    [US => '2001:4860:4860::8888', 'the same resolver', 'outside'],
    [US => '2600::', 'a provider in the United States', 'outside'],
);

# Of nobody: private, reserved, for documentation.
my @UNKNOWN = qw(127.0.0.1 10.0.0.1 192.168.1.1 172.16.0.1 169.254.0.1
    100.64.0.1 192.0.2.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1
    255.255.255.255 0.0.0.0 ::1 :: fe80::1 fd00::1 2001:db8::1 ff02::1
    64:ff9b:1::1);

my @NAVIGATION = ('Sec-Fetch-Mode' => 'navigate',
    'Sec-Fetch-Dest' => 'document');

my $http      = $t->http(headers => [@NAVIGATION]);
my $forwarded = $t->http(port => $t->port('forwarded'),
    headers => [@NAVIGATION]);


sub told ($r) {
    return join ' ', $r->status,
        map { $r->header("X-$_") || '-' } qw(Country Source Reason);
}


for my $case (@ADDRESSES) {
    my ($country, $address, $who, $where) = @$case;

    my $expected = $where ? "200 $country address outside"
        : "302 $country address missing";

    subtest "$address, $who" => sub {
        is told($http->get('/', 'X-Real-IP' => $address)), $expected,
            'in X-Real-IP';
        is told($forwarded->get('/', 'X-Forwarded-For' => $address)),
            $expected, 'in X-Forwarded-For';
        is told($forwarded->get('/',
            'X-Forwarded-For' => "8.8.4.4, 193.99.144.85, $address")),
            $expected, 'the last, which the proxy has added';

        if ($address !~ /:/) {
            is told($http->get('/', 'X-Real-IP' => "::ffff:$address")),
                $expected, 'mapped into IPv6';
        }
    };
}

for my $address (@UNKNOWN) {
    subtest "$address, nobody's" => sub {
        my $ask = sub ($uri) {
            told($http->get($uri, 'X-Real-IP' => $address));
        };
        is $ask->('/'), '200 - unknown unknown_country', 'passes';
        is $ask->('/strict/'), '302 - unknown missing', 'or is gated';
    };
}

# Every code of docs/territory.md: the first and the last address of its first
# network, its last, and one in the middle of the list.

my %INSIDE = map { $_ => 1 } qw(AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE
    IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO AX GF GP MQ RE YT MF EU);
my @OUTSIDE = qw(GB CH GL FO BL PM WF NC PF AW CW SX BQ SJ IM JE GG GI MC SM
    VA AD XK AP);

is scalar(keys %INSIDE), 38, '37 codes, and EU';

sub dotted ($n) { return join '.', unpack 'C4', pack 'N', $n }

# By code, [first, last] of its networks.
sub networks ($path, $of_ours) {
    my %networks;

    open my $fh, '<', $path or die "$path: $!";

    while (my $line = <$fh>) {
        next if $line !~ /^([^,#]+),([^,]+),(..)$/ || !$of_ours->{$3};
        push @{ $networks{$3} }, [$1, $2] if $1 !~ /^(?:2002|2001:0?):/i;
    }

    return \%networks;
}

# A few of them, and of each its first and its last address.
sub sample ($networks, $text) {
    my @picked = @$networks[0, @$networks / 2, -1];
    my %seen;

    return grep { !$seen{$_}++ } map { $text->($_) } map { @$_ } @picked;
}

my %ours = map { $_ => 1 } keys %INSIDE, @OUTSIDE;
my $four = networks('/usr/share/tor/geoip', \%ours);
my $six  = networks('/usr/share/tor/geoip6', \%ours);
my %sources = map { $_ => 1 } keys %ours;
my $table = slurp("$ConsentGate::Test::ROOT/docs/territory.md");
my @nothing;

for my $code (sort keys %ours) {
    my $where = $INSIDE{$code} ? 'inside' : 'outside';
    my $expected = $INSIDE{$code} ? "302 $code address missing"
        : "200 $code address outside";

    subtest "$code is $where" => sub {
        my @addresses = (
            $four->{$code} ? sample($four->{$code}, \&dotted) : (),
            $six->{$code} ? sample($six->{$code}, sub ($a) { $a }) : (),
        );

        like $table, qr/^\| `$code` \| [^|]+ \| $where \| /m,
            'stands in the table';

        if (!@addresses) {
            push @nothing, $code;
            like $table, qr/^Without any network.*`$code`/m,
                'which says that there is no network of it';
            return;
        }

        is told($http->get('/', 'X-Real-IP' => $_)), $expected, $_
            for @addresses;
    };
}

diag "no network of @nothing in this database, nothing was seen of it"
    if @nothing;

$t->done;
